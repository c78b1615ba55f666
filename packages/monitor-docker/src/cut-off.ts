import { execFile } from 'node:child_process'
import { KernelError } from '@trireme/core'

const TIMEOUT_MS = 10_000

/**
 * Takes down every interface of a network namespace but the loopback: nothing enters or leaves, and their routes are gone, so
 * it lasts until the container starts anew.
 */
export async function cutOff(namespacePath: string): Promise<void> {
  const links: unknown = JSON.parse(await ip(namespacePath, ['-json', 'link', 'show']))
  const names = (links as readonly { readonly ifname: string; readonly flags: readonly string[] }[])
    .filter(({ flags }) => !flags.includes('LOOPBACK'))
    .map(({ ifname }) => ifname)
  for (const name of names) await ip(namespacePath, ['link', 'set', 'dev', name, 'down'])
}

function ip(namespacePath: string, args: readonly string[]): Promise<string> {
  const command = [`--net=${namespacePath}`, '--', 'ip', ...args]
  return new Promise((resolve, reject) => {
    execFile('nsenter', command, { timeout: TIMEOUT_MS }, (cause, stdout, stderr) => {
      if (cause === null) return resolve(stdout)
      const errno = typeof cause.code === 'number' ? `exit ${cause.code}` : String(cause.code ?? cause.signal)
      reject(new KernelError({ op: `ip ${args.join(' ')}`, errno, detail: stderr.trim(), cause }))
    })
  })
}
