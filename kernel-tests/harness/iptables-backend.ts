import { existsSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'

/** The two implementations of iptables that a machine may have. */
export type Backend = 'nft' | 'legacy'

export const BACKENDS: readonly Backend[] = ['nft', 'legacy']

const PROGRAMS = [
  'iptables',
  'iptables-save',
  'iptables-restore',
  'ip6tables',
  'ip6tables-save',
  'ip6tables-restore',
]

/**
 * An environment in which `iptables` and its kin are of that implementation, whatever the machine's alternatives say.
 * The programs look at the name by which they are called, so links in a folder in front of the PATH are enough.
 */
export function backendEnvironment(backend: Backend, folder: string): NodeJS.ProcessEnv {
  const links = join(folder, `iptables-${backend}`)
  mkdirSync(links, { recursive: true })
  for (const program of PROGRAMS) {
    const link = join(links, program)
    if (!existsSync(link)) symlinkSync(`/usr/sbin/xtables-${backend}-multi`, link)
  }
  const { PATH = '' } = process.env
  return { ...process.env, PATH: `${links}:${PATH}` }
}
