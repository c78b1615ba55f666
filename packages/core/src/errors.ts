/** Every code a `TriremeError` carries: what the caller did wrong, for programs to switch on. */
export type TriremeErrorCode =
  | 'ERR_ALREADY_STARTED'
  | 'ERR_CONFIG'
  | 'ERR_IDENTITY_TOO_LARGE'
  | 'ERR_INVALID_TAG'
  | 'ERR_MISSING_CAPABILITY'
  | 'ERR_NO_POLICY'
  | 'ERR_NOT_PERMITTED'
  | 'ERR_NOT_STARTED'
  | 'ERR_PEER_DEPENDENCY'
  | 'ERR_POLICY'
  | 'ERR_PORT_TAKEN'
  | 'ERR_PU_EXISTS'
  | 'ERR_PU_UNKNOWN'
  | 'ERR_RESOLVER'
  | 'ERR_SECRET'
  | 'ERR_TOKEN_ENGINE'
  | 'ERR_UNSUPPORTED_KIND'

/** The caller erred. `code` is stable between releases, `message` is for people. */
export class TriremeError extends Error {
  override readonly name = 'TriremeError'
  readonly code: TriremeErrorCode

  constructor(code: TriremeErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Facts about an operation that the kernel, or a program that speaks to it, refused. */
export interface KernelErrorFacts {
  /** What was attempted, in the kernel's or the program's own word: `NFQNL_CFG_CMD_BIND`, `iptables-restore`. */
  readonly op: string
  /** The errno's name (`EPERM`), or the exit status of a program (`exit 2`). */
  readonly errno: string
  /** What the kernel or the program said beyond that. */
  readonly detail?: string
  readonly cause?: unknown
}

/** The world refused: a system call, a netlink request or a system program failed. */
export class KernelError extends Error {
  override readonly name = 'KernelError'
  readonly op: string
  readonly errno: string
  readonly detail: string | undefined

  constructor(facts: KernelErrorFacts) {
    const { op, errno, detail, cause } = facts
    super(`${op}: ${errno}${detail ? `: ${detail}` : ''}`, cause === undefined ? undefined : { cause })
    this.op = op
    this.errno = errno
    this.detail = detail
  }
}

/** Runs every clean-up, then throws what failed: the first error alone, or all of them with the first in front. */
export async function runAll(steps: readonly (() => void | Promise<void>)[]): Promise<void> {
  const errors: unknown[] = []
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length === 1) throw errors[0]
  if (errors.length > 1) throw new AggregateError(errors, errors.map(String).join('; '))
}
