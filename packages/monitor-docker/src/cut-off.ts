import { runIP } from './run-ip.js'

/**
 * Takes down every interface of a network namespace but the loopback: nothing enters or leaves, and their routes are gone, so
 * it lasts until the container starts anew.
 */
export async function cutOff(namespacePath: string): Promise<void> {
  const links: unknown = JSON.parse(await runIP(namespacePath, ['-json', 'link', 'show']))
  const names = (links as readonly { readonly ifname: string; readonly flags: readonly string[] }[])
    .filter(({ flags }) => !flags.includes('LOOPBACK'))
    .map(({ ifname }) => ifname)
  for (const name of names) await runIP(namespacePath, ['link', 'set', 'dev', name, 'down'])
}
