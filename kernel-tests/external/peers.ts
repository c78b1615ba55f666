import { fileURLToPath } from 'node:url'
import { Daemon } from '../harness/daemon.js'
import { FAMILIES, type Family, type Host, makeTwoHosts } from '../harness/hosts.js'
import type { Backend } from '../harness/iptables-backend.js'
import { JSONLinesProcess } from '../harness/json-lines-process.js'
import { type ProcessingUnit, runAsPU } from '../harness/processing-unit.js'
import type { Teardown } from '../harness/teardown.js'

const TRAFFIC = fileURLToPath(new URL('../supervisor/traffic.py', import.meta.url))

/** The command line of a command of traffic.py. */
export function traffic(...args: readonly string[]): readonly string[] {
  return ['python3', TRAFFIC, ...args]
}

/** Both families of an address list, for a rule over addresses. */
export function networksOf(host: Host): readonly string[] {
  return FAMILIES.map(family => `${host.addresses[family]}/${family === 'IPv4' ? 32 : 128}`)
}

/** A host with a daemon, and a peer beside it that is outside the trireme networks and enforces nothing. */
export interface Neighbours {
  readonly host: Host
  readonly peer: Host
  readonly daemon: Daemon
  /** What a command of traffic.py says, run as a PU, or by the peer. */
  ask(who: ProcessingUnit | 'peer', ...args: readonly string[]): Promise<unknown>
  /** An echo server over TCP and UDP on the peer. */
  serve(family: Family, port: number): Promise<void>
}

export interface NeighboursOptions {
  readonly backend: Backend
  /** The policy's external rules, given the peer. */
  readonly external: (peer: Host) => readonly object[]
  readonly config?: Readonly<Record<string, unknown>>
  /** More of the policy file. */
  readonly policy?: Readonly<Record<string, unknown>>
}

export async function makeNeighbours(teardown: Teardown, options: NeighboursOptions): Promise<Neighbours> {
  const { a: host, b: peer } = teardown.own(await makeTwoHosts())
  const policy = { default: 'deny', external: options.external(peer), ...options.policy }
  const config = { networks: ['10.99.0.0/16', 'fd99::/16'], ...options.config }
  const daemon = teardown.own(await Daemon.start(host, { backend: options.backend, policy, config }))
  return {
    host,
    peer,
    daemon,
    async ask(who, ...args) {
      const { stdout, stderr } =
        who === 'peer'
          ? await peer.namespace.run(traffic(...args))
          : await runAsPU(daemon, who, traffic(...args))
      if (stdout === '') throw new Error(stderr)
      return (JSON.parse(stdout) as { result: unknown }).result
    },
    async serve(family, port) {
      const argv = peer.namespace.inside(traffic('serve', peer.addresses[family], String(port)))
      const server = teardown.own(new JSONLinesProcess(argv))
      await server.next()
    },
  }
}
