import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import process from 'node:process'
import { eventually } from './eventually.js'

/** A program that prints one JSON value a line and reads lines: how tests speak with what they start. */
export class JSONLinesProcess {
  readonly #argv: readonly string[]
  readonly #process: ChildProcessWithoutNullStreams
  #stdout = ''
  #stderr = ''
  #read = 0

  constructor(argv: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    const [program, ...args] = argv as [string, ...string[]]
    this.#argv = argv
    this.#process = spawn(program, args, { env })
    this.#process.on('error', error => {
      this.#stderr += String(error)
    })
    this.#process.stdin.on('error', () => undefined)
    this.#process.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      this.#stdout += chunk
    })
    this.#process.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      this.#stderr += chunk
    })
  }

  get hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }

  /** The next value that it prints. Rejects with what the program said when none comes in time or it ends before. */
  async next(timeoutMs = 15_000): Promise<unknown> {
    const line = await eventually(
      `a line from ${this.#argv.join(' ')}; it said ${this.#stderr}`,
      () => this.#takeLine() ?? (this.hasEnded ? '' : undefined),
      { timeoutMs, everyMs: 5 },
    )
    if (line !== '') return JSON.parse(line)
    const last = this.#takeLine()
    if (last !== undefined) return JSON.parse(last)
    throw new Error(`${this.#argv.join(' ')} ended (${this.#process.exitCode}): ${this.#stderr}`)
  }

  send(line: string): void {
    this.#process.stdin.write(`${line}\n`)
  }

  /** Closes its standard input, which our programs take as the end, and kills it when it does not end. */
  async stop(): Promise<void> {
    this.#process.stdin.end()
    const ended = () => this.hasEnded
    await eventually('the program ends with its input', ended, { timeoutMs: 3_000 }).catch(async () => {
      this.#process.kill('SIGKILL')
      await eventually('the killed program ended', ended)
    })
  }

  #takeLine(): string | undefined {
    const end = this.#stdout.indexOf('\n', this.#read)
    if (end < 0) return undefined
    const line = this.#stdout.slice(this.#read, end)
    this.#read = end + 1
    return line
  }
}
