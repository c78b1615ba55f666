import { spawnSync } from 'node:child_process'
import { loadBinding } from '../../packages/enforcer-nfq/src/netlink/binding.js'

/** Why this machine cannot run the tests of the queue, or undefined. */
function missing(): string | undefined {
  if (process.platform !== 'linux') return 'needs Linux'
  if (process.getuid?.() !== 0) return 'needs root'
  for (const program of ['ip', 'nsenter', 'iptables-restore']) {
    if (spawnSync(program, ['--version']).error) return `needs ${program}`
  }
  try {
    loadBinding()
  } catch (error) {
    return (error as Error).message
  }
  return undefined
}

/** Reason to skip, undefined if nothing is missing. */
export const reason = missing()

/** A title that tells why its tests were skipped. */
export function titled(title: string): string {
  return reason === undefined ? title : `${title} (skipped: ${reason})`
}
