/** A rule of another program that keeps ours from their work. */
export interface ForeignRule {
  /** As `IPv4 mangle`, or as nft names the table: `inet filter`. */
  readonly table: string
  readonly chain: string
  /** As its program prints it. */
  readonly rule: string
  /** The program that such rules are usually of, where that is known. */
  readonly program: string | undefined
}

/** One that changes bits of the mark which are ours. */
export interface ForeignMarkUse extends ForeignRule {
  readonly mark: 'packet' | 'connection'
  /** Those of our bits that it changes. */
  readonly overlap: number
}

/** A rule with the place where it stands. */
export interface PlacedRule {
  readonly table: string
  readonly chain: string
  readonly rule: string
}

const ALL_BITS = 0xffffffff

/** What the chains, the tables or the comments of well-known programs hold. */
const BY_NAME: readonly (readonly [RegExp, string])[] = [
  [/\bKUBE-/, 'kube-proxy'],
  [/cilium/i, 'Cilium'],
  [/\bts-(?:input|forward|postrouting|output)/, 'Tailscale'],
  [/\bcali[-:]/, 'Calico'],
  [/opensnitch/i, 'OpenSnitch'],
  [/wg-quick/, 'wg-quick'],
  [/FLANNEL/, 'flannel'],
  [/mwan3/, 'mwan3'],
  [/DOCKER/, 'Docker'],
  [/firewalld/, 'firewalld'],
]

/** What they use where nothing names them (the projects' documentation of their defaults). */
const BY_BITS: readonly (readonly [number, string])[] = [
  [0x4000, 'kube-proxy'],
  [0x8000, 'kube-proxy'],
  [0xff0000, 'Tailscale'],
  [0xffff0000, 'Calico'],
]

/** The rules of others that change bits of `mask`. */
export function foreignMarkUses(rules: readonly PlacedRule[], mask: number): readonly ForeignMarkUse[] {
  return rules.flatMap(placed => {
    const change = changeOf(placed.rule)
    const overlap = change ? (change.bits & mask) >>> 0 : 0
    if (!change || overlap === 0) return []
    return [{ ...placed, mark: change.mark, overlap, program: programOf(placed, change.bits) }]
  })
}

/** The rules of others that keep packets from conntrack: what is not tracked has no connection, and no decision is remembered. */
export function untrackedRules(rules: readonly PlacedRule[]): readonly ForeignRule[] {
  return rules
    .filter(({ rule }) => /-j NOTRACK\b|-j CT --notrack\b|(?:^| )notrack(?: |$)/.test(rule))
    .map(placed => ({ ...placed, program: programOf(placed) }))
}

interface MarkChange {
  readonly mark: 'packet' | 'connection'
  readonly bits: number
}

function changeOf(rule: string): MarkChange | undefined {
  const bits = iptablesBits(rule)
  if (bits !== undefined) {
    const isOfPacket = /-j MARK\b|--restore-mark/.test(rule)
    return { mark: isOfPacket ? 'packet' : 'connection', bits }
  }
  const [, mark, value] = /\b(meta|ct) mark set (.*)$/.exec(rule) ?? []
  if (mark === undefined || value === undefined) return undefined
  return { mark: mark === 'meta' ? 'packet' : 'connection', bits: nftBits(mark, value) }
}

/** As iptables-save prints the targets MARK and CONNMARK (iptables-extensions(8)). */
function iptablesBits(rule: string): number | undefined {
  if (!/-j (?:CONN)?MARK\b/.test(rule)) return undefined
  const [, value, mask] = /--set-x?mark (\w+)(?:\/(\w+))?/.exec(rule) ?? []
  if (value !== undefined) return (Number(mask ?? ALL_BITS) | Number(value)) >>> 0
  const changed = /--save-mark/.test(rule) ? 'ctmask' : 'nfmask'
  return Number(new RegExp(`--${changed} (\\w+)`).exec(rule)?.[1] ?? ALL_BITS)
}

/** An expression that keeps the mark's other bits names the mark itself: `meta mark & 0xfffff000 | 0x00000005` (nft(8)). */
function nftBits(mark: string, value: string): number {
  const [, kept, set] =
    new RegExp(`^${mark} mark(?: (?:&|and) (\\w+))?(?: (?:\\||\\^|or|xor) (\\w+))?`).exec(value) ?? []
  if (kept === undefined && set === undefined) return ALL_BITS
  return ((kept === undefined ? 0 : ~Number(kept)) | Number(set ?? 0)) >>> 0
}

function programOf({ table, chain, rule }: PlacedRule, bits?: number): string | undefined {
  const text = `${table} ${chain} ${rule}`
  const named = BY_NAME.find(([pattern]) => pattern.test(text))?.[1]
  return named ?? BY_BITS.find(([own]) => own === bits)?.[1]
}
