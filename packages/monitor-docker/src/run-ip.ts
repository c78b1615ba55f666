import { execFile } from 'node:child_process'
import { KernelError } from '@trireme/core'

const TIMEOUT_MS = 10_000

/**
 * Runs `ip` of iproute2 in a network namespace, in this process's own without one, and answers with what it prints.
 * @throws KernelError
 */
export function runIP(namespacePath: string | undefined, args: readonly string[]): Promise<string> {
  const [program, rest] =
    namespacePath === undefined
      ? (['ip', args] as const)
      : (['nsenter', [`--net=${namespacePath}`, '--', 'ip', ...args]] as const)
  return new Promise((resolve, reject) => {
    execFile(program, [...rest], { timeout: TIMEOUT_MS }, (cause, stdout, stderr) => {
      if (cause === null) return resolve(stdout)
      const errno = typeof cause.code === 'number' ? `exit ${cause.code}` : String(cause.code ?? cause.signal)
      reject(new KernelError({ op: `ip ${args.join(' ')}`, errno, detail: stderr.trim(), cause }))
    })
  })
}
