import { KernelError, TriremeError, type TriremeErrorCode } from '@trireme/core'

/** The exit statuses that mean something beyond "it failed" (1). */
export const EXIT = {
  /** A file or an argument is wrong. */
  badInput: 2,
  /** What the command needs of the machine or of a daemon is not there. */
  environment: 3,
  /** `run` could not make the command a PU and did not run it. */
  notRun: 125,
} as const

/** Ends a command with this message on stderr and this exit status. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure'
  readonly exitStatus: number

  constructor(exitStatus: number, message: string, options?: ErrorOptions) {
    super(message, options)
    this.exitStatus = exitStatus
  }
}

const ENVIRONMENT_CODES: readonly TriremeErrorCode[] = ['ERR_MISSING_CAPABILITY', 'ERR_PEER_DEPENDENCY']

/** The exit status that says who can mend it: the writer of the files (2), the machine's administrator (3), or us (1). */
export function exitStatusOf(error: unknown): number {
  if (error instanceof CommandFailure) return error.exitStatus
  if (error instanceof AggregateError) return exitStatusOf(error.errors[0])
  if (error instanceof KernelError) return EXIT.environment
  if (error instanceof TriremeError) {
    return ENVIRONMENT_CODES.includes(error.code) ? EXIT.environment : EXIT.badInput
  }
  const isRefusedByKernel = error instanceof Error && 'errno' in error
  return isRefusedByKernel ? EXIT.environment : 1
}

/** The error in one line for people; causes belong to the message already. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
