import { spawn } from 'node:child_process'
import process from 'node:process'

export interface CommandOptions {
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** What the program reads; without it an empty standard input. */
  readonly input?: string
  /** After this long the program is killed, and the outcome's signal says so. Default 30,000. */
  readonly timeoutMs?: number
}

export interface CommandOutcome {
  /** The exit status, or undefined where a signal ended the program. */
  readonly code: number | undefined
  readonly signal: NodeJS.Signals | undefined
  readonly stdout: string
  readonly stderr: string
  readonly ms: number
}

/** Runs a program to its end, whatever that is. Rejects only if it could not be started. */
export function runCommand(argv: readonly string[], options: CommandOptions = {}): Promise<CommandOutcome> {
  const [program, ...args] = argv as [string, ...string[]]
  const { env = process.env, cwd, input = '', timeoutMs = 30_000 } = options
  const began = performance.now()
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env,
      ...(cwd === undefined ? {} : { cwd }),
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk
    })
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr += chunk
    })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      const ms = performance.now() - began
      resolve({ code: code ?? undefined, signal: signal ?? undefined, stdout, stderr, ms })
    })
    // A program that ends without reading is no error of ours.
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
  })
}

/** Runs a program that has to succeed and answers with its standard output. Rejects with what it said otherwise. */
export async function mustRun(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { code, signal, stdout, stderr } = await runCommand(argv, options)
  if (code === 0) return stdout
  throw new Error(`${argv.join(' ')}: ${signal ?? `exit ${code}`}\n${stderr}${stdout}`)
}
