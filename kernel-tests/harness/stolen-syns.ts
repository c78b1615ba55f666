import { program } from './checkout.js'
import type { Daemon } from './daemon.js'
import type { OnPath } from './on-path.js'
import { type ProcessingUnit, runAsPU, type Target } from './processing-unit.js'
import type { Tuple } from './raw-client.js'

/** A SYN with its overlay, fresh: it never arrived. */
export interface StolenSyn {
  readonly tuple: Tuple
  readonly isn: number
  readonly overlay: Uint8Array
}

export interface Theft {
  readonly onPath: OnPath
  readonly daemon: Daemon
  readonly unit: ProcessingUnit
  readonly to: Target
  readonly count: number
}

/** Has a PU make that many connections, and takes their SYNs off the path. Nothing else is on it meanwhile. */
export async function stealSyns({ onPath, daemon, unit, to, count }: Theft): Promise<StolenSyn[]> {
  const stolen = new Map<number, StolenSyn>()
  onPath.treat(({ packet }) => {
    if (!packet.isSyn) return 'pass'
    const { sourcePort, destinationPort, sequence: isn } = packet
    const tuple = { source: '', destination: to.address, sourcePort, destinationPort }
    stolen.set(sourcePort, { tuple, isn, overlay: packet.payload().slice() })
    return 'drop'
  })
  const source = daemon.host.addresses[to.address.includes(':') ? 'IPv6' : 'IPv4']
  await runAsPU(daemon, unit, program('many-sessions', to.address, String(to.port), String(count), '500'))
  onPath.treat(() => 'pass')
  if (stolen.size !== count) throw new Error(`${stolen.size} SYNs were stolen instead of ${count}`)
  return [...stolen.values()].map(syn => ({ ...syn, tuple: { ...syn.tuple, source } }))
}
