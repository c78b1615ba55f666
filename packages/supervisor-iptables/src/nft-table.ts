import { KernelError } from '@trireme/core'

/** A rule as `nft` lists it. */
export interface NftRule {
  readonly chain: string
  /** Names the rule in its table, and no other one ever. */
  readonly handle: number
  /** The chain that it leads to. */
  readonly target: string | undefined
  /** How it leads there. */
  readonly verb: 'jump' | 'goto'
  /** It has no match. */
  readonly isPlain: boolean
}

/** A table as `nft` lists it: every chain and every rule, whichever program made them. */
export interface NftTable {
  readonly chains: readonly { readonly name: string; readonly policy: string | undefined }[]
  /** In the order of their chains. */
  readonly rules: readonly NftRule[]
}

/** Of any object in the list: which of these it has depends on what it is. */
interface Fields {
  readonly nftables?: unknown
  readonly table?: unknown
  readonly chain?: unknown
  readonly rule?: unknown
  readonly name?: unknown
  readonly policy?: unknown
  readonly handle?: unknown
  readonly expr?: unknown
  readonly jump?: unknown
  readonly goto?: unknown
  readonly target?: unknown
}

/**
 * Reads what `nft -j list table` prints (libnftables-json(5)).
 * @throws KernelError where it is no such list.
 */
export function parseNftTable(json: string): NftTable {
  const items = itemsOf(json)
  return {
    chains: items.flatMap(item => (isFields(item.chain) ? [chainOf(item.chain)] : [])),
    rules: items.flatMap(item => (isFields(item.rule) ? [ruleOf(item.rule)] : [])),
  }
}

/** The names of the tables in what `nft -j list tables` prints. @throws KernelError where it is no such list. */
export function parseNftTables(json: string): readonly string[] {
  return itemsOf(json).flatMap(({ table }) => (isFields(table) ? [String(table.name)] : []))
}

function itemsOf(json: string): readonly Fields[] {
  const unreadable = (cause?: unknown) =>
    new KernelError({ op: 'nft', errno: 'EPROTO', detail: 'its list is not the JSON of libnftables', cause })
  let list: unknown
  try {
    list = JSON.parse(json)
  } catch (error) {
    throw unreadable(error)
  }
  if (!isFields(list) || !Array.isArray(list.nftables)) throw unreadable()
  return list.nftables.filter(isFields)
}

function chainOf({ name, policy }: Fields): NftTable['chains'][number] {
  return { name: String(name), policy: typeof policy === 'string' ? policy : undefined }
}

function ruleOf({ chain, handle, expr }: Fields): NftRule {
  const statements = Array.isArray(expr) ? expr.filter(isFields).filter(each => !('counter' in each)) : []
  const leading = statements.find(each => isFields(each.jump) || isFields(each.goto))
  const verb = leading && 'goto' in leading ? 'goto' : 'jump'
  const to = leading?.[verb]
  return {
    chain: String(chain),
    handle: Number(handle),
    target: isFields(to) ? String(to.target) : undefined,
    verb,
    isPlain: statements.length === 1,
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
