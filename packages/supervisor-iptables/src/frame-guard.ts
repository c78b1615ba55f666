import { tableDamage } from './damage.js'
import type { Iptables } from './iptables.js'
import { jump, type TableLayout } from './layout.js'
import type { Link } from './links.js'
import { renderTable } from './render.js'
import { type Rule, rule } from './rule.js'
import { parseTable } from './saved-rules.js'

const NO_FRAMES: TableLayout = { chains: new Map(), jumps: [] }

/** Ports of bridges behind which PUs are, and the PUs' own addresses at each, as networks of one address. */
export type GuardedPorts = ReadonlyMap<string, readonly string[]>

/**
 * Keeps from the ports behind which PUs are what iptables cannot judge, by rules of ebtables:
 *
 * - Frames of other protocols than IP and ARP do not leave them: a kernel takes what is in a frame of VLAN 0 for its own (IEEE 802.1Q
 *   §6.9.1, `vlan_do_receive`).
 * - What the host sends or routes gets to the port only of the address that it is for. iptables decides by that address, before the
 *   bridge has chosen the port: and that it does by what whoever is at a port says of MAC addresses and neighbours.
 */
export class FrameGuard {
  readonly #programs: Iptables
  readonly #prefix: string
  /** What is guarded; undefined while others may have changed that. */
  #ports: GuardedPorts | undefined = new Map()
  /** What was made last. */
  #made = NO_FRAMES

  constructor(programs: Iptables, prefix: string) {
    this.#programs = programs
    this.#prefix = prefix
  }

  /** An earlier process may have guarded ports, or another program taken the guard away: the next change makes it anew. */
  expectOthers(): void {
    this.#ports = undefined
  }

  /** Guards these ports beside those that are guarded. */
  async provide(ports: GuardedPorts): Promise<void> {
    await this.#guard(union([...(this.#ports ?? []), ...ports]))
  }

  /** Guards these ports and no others. */
  async retain(ports: GuardedPorts): Promise<void> {
    await this.#guard(ports)
  }

  /** What other programs did to the guard: see `damageIn`. Nothing where it was changed while this looked. */
  async damage(): Promise<readonly string[]> {
    const made = this.#made
    if (made === NO_FRAMES) return []
    const damage = tableDamage(await this.#read(), made).map(what => `frames: ${what}`)
    return made === this.#made ? damage : []
  }

  async #read(): Promise<TableLayout> {
    const saved = await this.#programs.saveFrames()
    return saved === '' ? NO_FRAMES : parseTable(saved, this.#prefix)
  }

  async #guard(ports: GuardedPorts): Promise<void> {
    if (this.#ports && isSame(this.#ports, ports)) return
    const target = layoutOf(ports, this.#prefix)
    const input = renderTable('filter', { current: await this.#read(), target, policy: 'RETURN' })
    if (input !== '') await this.#programs.restoreFrames(input)
    this.#made = target
    this.#ports = ports
  }
}

/** The ports that the links name. */
export function portsOf(links: readonly Link[]): GuardedPorts {
  return union(
    links.flatMap(({ match }): [string, readonly string[]][] => {
      const [port, own] = [operandOf(match, '--physdev-in'), operandOf(match, '-s')]
      return port === undefined ? [] : [[port, own === undefined ? [] : [own]]]
    }),
  )
}

function operandOf(match: Rule, option: string): string | undefined {
  const at = match.indexOf(option)
  return at < 0 ? undefined : match[at + 1]
}

function union(entries: readonly (readonly [string, readonly string[]])[]): GuardedPorts {
  const ports = new Map<string, readonly string[]>()
  for (const [port, own] of entries) ports.set(port, [...new Set([...(ports.get(port) ?? []), ...own])])
  return ports
}

function isSame(a: GuardedPorts, b: GuardedPorts): boolean {
  return a.size === b.size && [...a].every(([port, own]) => b.get(port)?.join(' ') === own.join(' '))
}

function layoutOf(ports: GuardedPorts, prefix: string): TableLayout {
  if (ports.size === 0) return NO_FRAMES
  const [from, frames, to, others] = ['PORTS', 'FRAMES', 'TO-PORTS', 'OTHERS'].map(name => prefix + name)
  const ownOf = (port: string) => `${prefix}E-${port}`
  const chains = new Map<string, readonly Rule[]>([
    [frames!, [...['IPv4', 'IPv6', 'ARP'].map(each => rule`-p ${each} -j RETURN`), rule`-j DROP`]],
    [from!, [...ports.keys()].map(port => rule`-i ${port} -j ${frames!}`)],
    [others!, NOBODYS_OWN],
    ...[...ports].map(([port, own]): [string, readonly Rule[]] => [
      ownOf(port),
      [...own.map(address => rule`${isFor(address)} -j RETURN`), rule`-j ${others!}`],
    ]),
    [to!, [...ports.keys()].map(port => rule`-o ${port} -j ${ownOf(port)}`)],
  ])
  const jumps = [jump('INPUT', from!), jump('FORWARD', from!), jump('OUTPUT', to!)]
  return { chains, jumps }
}

function isFor(address: string): Rule {
  return address.includes(':') ? rule`-p IPv6 --ip6-dst ${address}` : rule`-p IPv4 --ip-dst ${address}`
}

/** What neighbours need to find each other. Groups are for ip6tables to judge; an address of the link gets neighbour discovery alone. */
const NOBODYS_OWN: readonly Rule[] = [
  rule`-p ARP -j RETURN`,
  rule`-p IPv6 --ip6-dst ff00::/8 -j RETURN`,
  rule`-p IPv6 --ip6-dst fe80::/10 --ip6-proto ipv6-icmp --ip6-icmp-type 133:136/0:255 -j RETURN`,
  rule`-j DROP`,
]
