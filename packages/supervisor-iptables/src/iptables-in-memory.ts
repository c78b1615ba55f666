import { KernelError } from '@trireme/core'
import { FAMILIES, type Family } from './family.js'
import type { Iptables } from './iptables.js'

interface MemoryTable {
  /** Built-in chains have a policy, ours have `-`. */
  readonly policies: Map<string, string>
  readonly rules: Map<string, string[]>
}

const BUILT_IN: Readonly<Record<string, readonly string[]>> = {
  raw: ['PREROUTING', 'OUTPUT'],
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
  security: ['INPUT', 'FORWARD', 'OUTPUT'],
}

/** Rules in memory, for tests: behaves as the programs do with the input that this package makes. */
export class IptablesInMemory implements Iptables {
  /** Every input given to `restore`, in order. */
  readonly inputs: { readonly family: Family; readonly input: string }[] = []
  /** Why a table is refused; `undefined` lets it take effect. */
  refuse: (family: Family, table: string) => string | undefined = () => undefined
  /** Awaited before every restore, to hold one up. */
  gate: () => Promise<void> = () => Promise.resolve()
  readonly #tables: Record<Family, Map<string, MemoryTable>>

  constructor() {
    const [IPv4, IPv6] = FAMILIES.map(
      () => new Map(Object.keys(BUILT_IN).map(name => [name, emptyTable(name)])),
    )
    this.#tables = { IPv4: IPv4!, IPv6: IPv6! }
  }

  /** Whether the kernel has IPv6. */
  hasIPv6 = true

  async has(family: Family): Promise<boolean> {
    return family === 'IPv4' || this.hasIPv6
  }

  async save(family: Family): Promise<string> {
    this.#assertThere(family)
    return [...this.#tables[family]].map(([name, table]) => printTable(name, table)).join('')
  }

  /** Networks by the names of sets. */
  readonly sets = new Map<string, Set<string>>()

  /** Every input given to `restoreFrames`, in order. */
  readonly frameInputs: string[] = []
  readonly #frames = tableOf(['INPUT', 'FORWARD', 'OUTPUT'])

  async saveFrames(): Promise<string> {
    return printTable('filter', this.#frames)
  }

  async restoreFrames(input: string): Promise<void> {
    this.frameInputs.push(input)
    for (const line of input.split('\n')) applyLine(this.#frames, line)
  }

  /** Whether bridged packets pass the rules. */
  isSeeingBridges = true

  async seesBridges(): Promise<boolean> {
    return this.isSeeingBridges
  }

  async listSets(): Promise<ReadonlyMap<string, number>> {
    const rules = FAMILIES.flatMap(family => [...this.#tables[family].values()])
      .flatMap(table => [...table.rules.values()])
      .flat()
    const uses = (name: string) => rules.filter(rule => rule.includes(`--match-set ${name} `)).length
    return new Map([...this.sets.keys()].map(name => [name, uses(name)]))
  }

  async restoreSets(input: string): Promise<void> {
    for (const line of input.trimEnd().split('\n')) {
      const [command, name = '', network = ''] = line.split(' ')
      if (command === 'create') this.sets.set(name, this.sets.get(name) ?? new Set())
      else if (command === 'add') this.sets.get(name)?.add(network)
      else if ((await this.listSets()).get(name) === 0) this.sets.delete(name)
      else throw new KernelError({ op: 'ipset', errno: 'exit 1', detail: `cannot ${line}` })
    }
  }

  async restore(family: Family, input: string): Promise<void> {
    await this.gate()
    this.#assertThere(family)
    this.inputs.push({ family, input })
    for (const section of input.split(/^\*/m).slice(1)) this.#restoreTable(family, section)
  }

  #assertThere(family: Family): void {
    if (family === 'IPv4' || this.hasIPv6) return
    throw refused('Address family not supported by protocol')
  }

  #restoreTable(family: Family, section: string): void {
    const [name = '', ...lines] = section.split('\n')
    const refusal = this.refuse(family, section)
    if (refusal !== undefined) throw refused(refusal)
    const table = copy(this.#tables[family].get(name) ?? emptyTable(name))
    for (const line of lines) applyLine(table, line)
    checkTargets(table, this.sets)
    this.#tables[family].set(name, table)
  }
}

function applyLine({ policies, rules }: MemoryTable, line: string): void {
  const [word = '', chain = '', ...rest] = line.split(' ')
  if (word.startsWith(':')) {
    policies.set(word.slice(1), chain)
    rules.set(word.slice(1), [])
    return
  }
  if (!word.startsWith('-')) return
  const there = rules.get(chain)
  if (!there) throw refused(`no chain ${chain}`)
  if (word === '-A') there.push(rest.join(' '))
  if (word === '-I') there.unshift(rest.slice(1).join(' '))
  if (word === '-D') removeRule(there, rest.join(' '))
  if (word === '-X') {
    policies.delete(chain)
    rules.delete(chain)
  }
}

function removeRule(rules: string[], rule: string): void {
  const at = rules.indexOf(rule)
  if (at < 0) throw refused(`no rule ${rule}`)
  rules.splice(at, 1)
}

function checkTargets({ rules }: MemoryTable, sets: ReadonlyMap<string, unknown>): void {
  for (const rule of [...rules.values()].flat()) {
    const target = /-[jg] (TRI-\S+)/.exec(rule)?.[1]
    if (target !== undefined && !rules.has(target)) throw refused(`no chain ${target}`)
    const set = /--match-set (\S+)/.exec(rule)?.[1]
    if (set !== undefined && !sets.has(set)) throw refused(`no set ${set}`)
  }
}

function printTable(name: string, { policies, rules }: MemoryTable): string {
  const chains = [...policies].map(([chain, policy]) => `:${chain} ${policy} [0:0]`)
  const lines = [...rules].flatMap(([chain, its]) => its.map(rule => `-A ${chain} ${rule}`))
  return `# Generated by a test\n*${name}\n${[...chains, ...lines].join('\n')}\nCOMMIT\n`
}

function emptyTable(name: string): MemoryTable {
  const chains = BUILT_IN[name]
  if (!chains) throw refused(`no table ${name}`)
  return tableOf(chains)
}

function tableOf(chains: readonly string[]): MemoryTable {
  return {
    policies: new Map(chains.map(chain => [chain, 'ACCEPT'])),
    rules: new Map(chains.map(chain => [chain, []])),
  }
}

function copy({ policies, rules }: MemoryTable): MemoryTable {
  return { policies: new Map(policies), rules: new Map([...rules].map(([chain, its]) => [chain, [...its]])) }
}

function refused(detail: string): KernelError {
  return new KernelError({ op: 'iptables-restore', errno: 'exit 2', detail })
}
