import { type ExecFileException, execFile } from 'node:child_process'
import { KernelError, TriremeError } from '@trireme/core'

/** One run of one program. */
export interface ProgramRun {
  readonly program: string
  readonly args: readonly string[]
  /** Its standard input; default empty. */
  readonly input?: string
  /** Path of the network namespace in which it runs; the process's own without it. */
  readonly netns?: string | undefined
}

/** What a program wrote that ended with 0. */
export interface ProgramOutput {
  readonly stdout: string
  readonly stderr: string
}

const MAX_OUTPUT_BYTES = 256 * 1024 * 1024
/** Of a program that `nsenter` could not find, as of one that a shell could not. */
const EXIT_NOT_FOUND = 127
/** The Debian package of each program that is not in `iptables`. */
const PACKAGES: Readonly<Record<string, string>> = {
  nsenter: 'util-linux',
  ipset: 'ipset',
  nft: 'nftables',
}

/**
 * Runs a program to its end.
 * @throws KernelError with its exit status and what it said; TriremeError `ERR_MISSING_CAPABILITY` where it is not installed.
 */
export function runProgram(run: ProgramRun): Promise<ProgramOutput> {
  const { program, args, input = '', netns } = run
  const [file, ...rest] = netns === undefined ? [program] : ['nsenter', `--net=${netns}`, '--', program]
  return new Promise((resolve, reject) => {
    const child = execFile(
      file ?? program,
      [...rest, ...args],
      { maxBuffer: MAX_OUTPUT_BYTES },
      (error, stdout, stderr) => {
        if (error) reject(failureOf(run, error, stderr))
        else resolve({ stdout, stderr })
      },
    )
    // A program that stops reading has failed, and its exit status says so better than EPIPE.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}

/** Whether the error says that a program is not installed. */
export function isMissingProgram(error: unknown): boolean {
  return error instanceof TriremeError && error.code === 'ERR_MISSING_CAPABILITY'
}

function failureOf({ program, input = '', netns }: ProgramRun, error: ExecFileException, stderr: string) {
  const status = error.code
  const missing = status === 'ENOENT' ? (netns === undefined ? program : 'nsenter') : undefined
  if (missing !== undefined || (status === EXIT_NOT_FOUND && netns !== undefined)) {
    return missingProgram(missing ?? program, error)
  }
  const errno = typeof status === 'number' ? `exit ${status}` : String(status ?? error.signal)
  const detail = [stderr.trim(), failedLine(stderr, input)].filter(part => part !== '').join(' ')
  return new KernelError({ op: program, errno, detail, cause: error })
}

function missingProgram(program: string, cause: unknown): TriremeError {
  return new TriremeError(
    'ERR_MISSING_CAPABILITY',
    `${program} is not installed: install the Debian package ${PACKAGES[program] ?? 'iptables'}`,
    { cause },
  )
}

/** The programs name a line of their input by number alone. */
function failedLine(stderr: string, input: string): string {
  const number = /line:? (\d+)/.exec(stderr)?.[1]
  const line = number === undefined ? undefined : input.split('\n')[Number(number) - 1]
  return line ? `(line ${number}: ${line})` : ''
}
