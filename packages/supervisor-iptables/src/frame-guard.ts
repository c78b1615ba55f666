import { tableDamage } from './damage.js'
import type { Iptables } from './iptables.js'
import { jump, type TableLayout } from './layout.js'
import type { Link } from './links.js'
import { renderTable } from './render.js'
import { type Rule, rule } from './rule.js'
import { parseTable } from './saved-rules.js'

const NO_FRAMES: TableLayout = { chains: new Map(), jumps: [] }

/**
 * Keeps frames of other protocols than IP and ARP from leaving the ports behind which PUs are: iptables never sees them, and a
 * kernel takes what is in a frame of VLAN 0 for its own (IEEE 802.1Q §6.9.1, `vlan_do_receive`). By rules of ebtables.
 */
export class FrameGuard {
  readonly #programs: Iptables
  readonly #prefix: string
  /** Ports that are guarded; undefined while others may have changed that. */
  #ports: ReadonlySet<string> | undefined = new Set()
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
  async provide(ports: ReadonlySet<string>): Promise<void> {
    await this.#guard(new Set([...(this.#ports ?? []), ...ports]))
  }

  /** Guards these ports and no others. */
  async retain(ports: ReadonlySet<string>): Promise<void> {
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

  async #guard(ports: ReadonlySet<string>): Promise<void> {
    const known = this.#ports
    if (known && known.size === ports.size && [...ports].every(port => known.has(port))) return
    const target = this.#layout(ports)
    const input = renderTable('filter', { current: await this.#read(), target, policy: 'RETURN' })
    if (input !== '') await this.#programs.restoreFrames(input)
    this.#made = target
    this.#ports = ports
  }

  #layout(ports: ReadonlySet<string>): TableLayout {
    if (ports.size === 0) return NO_FRAMES
    const [guarded, frames] = [`${this.#prefix}PORTS`, `${this.#prefix}FRAMES`]
    const chains = new Map<string, readonly Rule[]>([
      [frames, [...['IPv4', 'IPv6', 'ARP'].map(each => rule`-p ${each} -j RETURN`), rule`-j DROP`]],
      [guarded, [...ports].map(port => rule`-i ${port} -j ${frames}`)],
    ])
    return { chains, jumps: ['INPUT', 'FORWARD'].map(chain => jump(chain, guarded)) }
  }
}

/** The ports that the links name. */
export function portsOf(links: readonly Link[]): ReadonlySet<string> {
  const named = links.flatMap(({ match }) => {
    const at = match.indexOf('--physdev-in')
    return at < 0 ? [] : [match[at + 1]!]
  })
  return new Set(named)
}
