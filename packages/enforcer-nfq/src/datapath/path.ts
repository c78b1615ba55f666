import type { CompiledNetworks, HandshakeSet } from '@trireme/core'
import type { EditFault } from '../packet/seal.js'
import type { TcpPacket } from '../packet/tcp-packet.js'
import type { Arrival } from './arrival.js'
import type { LiveFlows } from './live-flows.js'
import type { LocalAddresses } from './local-addresses.js'
import type { PUContext } from './pu-context.js'
import type { PUTable } from './pu-table.js'
import type { ReplayFilter } from './replay-filter.js'
import type { Reporter } from './reporter.js'
import type { ResetLimits } from './reset-limits.js'
import type { Sockets } from './sockets.js'
import type { Sources } from './sources.js'
import type { ClientHandshakes } from './tables/client-handshakes.js'
import type { ServerHandshakes } from './tables/server-handshakes.js'
import { drop, type Verdict } from './verdict.js'

/** How strictly a SYN is bound to the address that its sender dialled. */
export type BindMode = 'strict' | 'observe' | 'off'

/** All that the steps of a handshake work with in one network namespace. */
export interface Path {
  readonly handshakes: HandshakeSet
  /** `mutual`: the client's transmitter rules decide over the server, too. */
  readonly authorization: 'mutual' | 'receiver'
  /** What becomes of SYNs that were dialled to somebody else: refused, reported and let through, or let through. */
  readonly bind: BindMode
  /** Where peers carry an identity: outside, no record is ever sent. */
  readonly triremeNetworks: CompiledNetworks
  readonly pus: PUTable
  readonly clients: ClientHandshakes
  readonly servers: ServerHandshakes
  readonly live: LiveFlows
  readonly replays: ReplayFilter
  readonly addresses: LocalAddresses
  readonly sockets: Sockets
  readonly reporter: Reporter
  readonly resets: ResetLimits
  /** Who connects to the PUs. */
  readonly sources: Sources
  /** Whom the PUs connect to: a flood of SYNs takes nothing from those. */
  readonly answerers: Sources
  /** Has connections of other epochs decided again, shortly. */
  readonly settleSoon: () => void
  /** Milliseconds that only grow, whatever becomes of the clock. */
  readonly now: () => number
  /** Where a rewritten packet is put. */
  readonly out: Uint8Array
}

/** The verdict over a rewritten packet, or the drop that its editor's refusal means. */
export function edited(length: number | EditFault, verdict: (length: number) => Verdict): Verdict {
  if (typeof length === 'number') return verdict(length)
  return drop(length === 'options' ? 'options' : 'format')
}

/** The PU whose packet it is, as far as that shows: by its queue, else by its connection, else by its address and port. */
export function ownerOf(path: Path, arrival: Pick<Arrival, 'packet' | 'side' | 'pu'>): PUContext | undefined {
  const { packet, side, pu } = arrival
  if (pu) return pu
  const [leaving, entering] =
    side === 'app' ? [packet.flowKey(), packet.reverseFlowKey()] : [packet.reverseFlowKey(), packet.flowKey()]
  const { live, pus } = path
  const ofFlow =
    puOfHandshake(path, packet, side) ??
    live.find('client', leaving, 'auth') ??
    live.find('server', entering, 'auth')
  const known = ofFlow && pus.byContext(ofFlow.contextID)
  if (known) return known
  return side === 'app'
    ? pus.byEnd(packet.source, packet.sourcePort)
    : pus.byEnd(packet.destination, packet.destinationPort)
}

/** The PU whose handshake the packet belongs to. */
function puOfHandshake({ clients, servers }: Path, packet: TcpPacket, side: Arrival['side']) {
  const own = side === 'app' ? packet.tuple : packet.reverseTuple
  const client = clients.find(own) ?? clients.released(own)
  if (client) return client.pu
  const peers = side === 'app' ? packet.reverseTuple : packet.tuple
  return (servers.find(peers) ?? servers.authorized(peers))?.pu
}

export function contextIDOf(path: Path, arrival: Arrival): string | undefined {
  return ownerOf(path, arrival)?.contextID
}
