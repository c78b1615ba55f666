import {
  compileACL,
  compileRules,
  ISSUER_TAG,
  PORT_TAG,
  type PUPolicy,
  type PURuntime,
  parseTag,
  type TagSelector,
  type Tags,
} from '@trireme/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parsePolicy } from './parse-policy.js'
import { policyFileResolver } from './policy-file-resolver.js'
import { policyFor } from './policy-for.js'

const mutual = { authorization: 'mutual', serverID: 'host-a' } as const
const receiver = { authorization: 'receiver', serverID: 'host-a' } as const
const tags = (...texts: string[]): Tags => texts.map(parseTag)
const pu = (...texts: string[]): PURuntime => ({
  kind: 'linux-process',
  name: 'pu',
  tags: tags(...texts),
  ports: [],
  isolation: { by: 'cgroup-path', path: 'pu' },
})
const policyOf = (yaml: string, runtime: PURuntime, context: typeof mutual | typeof receiver = mutual) =>
  policyFor(parsePolicy(yaml, 'policy.yaml'), runtime, context)

const WEB =
  'rules: [{ name: web, to: { app: web }, from: { app: cli }, ports: [80, 8000-8100], action: allow }]'
const is = (key: string, ...values: string[]) => ({ key, operator: '=', values })
const ANYONE = { key: ISSUER_TAG, operator: '*', values: [] }

describe('the settings of PUs', () => {
  const of = (yaml: string, tag = 'app=web') => {
    const { mode, dns } = policyOf(yaml, pu(tag))
    return { mode, dns }
  }

  it('are those of the file, or of the first entry that selects the PU and has them', () => {
    expect(of('default: deny')).toEqual({ mode: 'enforce', dns: undefined })
    expect(of('mode: observe\ndns: allow')).toEqual({ mode: 'observe', dns: 'allow' })
    const pus = `mode: observe
pus:
  - { pu: { app: db }, mode: enforce }
  - { pu: [{ app: web }, { app: api }], dns: allow }
  - { pu: { app: web }, mode: enforce, dns: deny }
`
    expect(of(pus)).toEqual({ mode: 'enforce', dns: 'allow' })
    expect(of(pus, 'app=api')).toEqual({ mode: 'observe', dns: 'allow' })
    expect(of(pus, 'app=db')).toEqual({ mode: 'enforce', dns: undefined })
    expect(of(pus, 'app=x')).toEqual({ mode: 'observe', dns: undefined })
  })
})

describe('a PU that no rule selects', () => {
  const warningsOf = async (yaml: string, ...tag: string[]) => {
    const document = parsePolicy(yaml, 'policy.yaml')
    const policy = await policyFileResolver({ document, ...mutual }).resolvePolicy('id', pu(...tag))
    return policy.warnings
  }

  it('is warned about, with the nearest tag of the policy', async () => {
    const none = 'no rule of the policy selects this PU'
    expect(await warningsOf(WEB, 'app=wbe')).toEqual([`${none}: its app=wbe is one letter away from app=web`])
    expect(await warningsOf(WEB, 'x=1', 'ap=wb')).toEqual([
      `${none}: its ap=wb is two letters away from app=web`,
    ])
    expect(await warningsOf(WEB, 'app=batch')).toEqual([none])
    expect(await warningsOf('default: deny')).toEqual([none])
  })

  it('is not one that either end of a rule or an external rule selects', async () => {
    const external =
      'external: [{ name: e, pu: { app: x }, direction: in, networks: [192.0.2.0/24], action: allow }]'
    expect(await warningsOf(WEB, 'app=web')).toBeUndefined()
    expect(await warningsOf(WEB, 'app=cli')).toBeUndefined()
    expect(await warningsOf(external, 'app=x')).toBeUndefined()
  })
})

describe('policyFor', () => {
  it('denies everything to a PU that no rule names', () => {
    expect(policyOf(WEB, pu('app=db'))).toEqual({
      managementID: '',
      action: 'police',
      identity: tags('app=db'),
      annotations: tags('app=db'),
      receiverRules: [],
      transmitterRules: [],
      applicationACLs: [],
      networkACLs: [],
      mode: 'enforce',
      denyWith: 'reset',
    })
  })

  it('takes labels that the monitor left out into the identity where a rule names them', () => {
    const options = {
      'label:project': 'shop',
      'label:other': 'x',
      'label:@sys:issuer': 'forged',
      address: 'y',
    }
    const policy = (yaml: string) => policyOf(yaml, { ...pu('app=web'), options })
    expect(policy(WEB).identity).toEqual(tags('app=web'))
    const names = (where: string) =>
      `rules: [{ name: r, to: { app: web }, from: { app: cli }, ${where}: { project: shop }, action: allow }]`
    for (const where of ['to', 'from']) {
      const yaml = names(where).replace(where === 'to' ? 'to: { app: web }, ' : 'from: { app: cli }, ', '')
      expect(policy(yaml)).toMatchObject({
        identity: tags('app=web', 'project=shop'),
        annotations: tags('app=web', 'project=shop'),
      })
    }
    const external =
      'external: [{ name: e, pu: { project: shop, "@sys:issuer": host-b }, direction: out, networks: [192.0.2.0/24], action: allow }]'
    expect(policy(external)).toMatchObject({ identity: tags('app=web', 'project=shop'), applicationACLs: [] })
  })

  it('gives the to side a receiver rule with the ports', () => {
    const { receiverRules, transmitterRules } = policyOf(WEB, pu('app=web'))
    const clauses = [is('app', 'cli'), is(PORT_TAG, '80', '8000-8100')]
    expect(receiverRules).toEqual([{ name: 'web', clauses, action: 'accept', mode: 'enforce' }])
    expect(transmitterRules).toEqual([])
  })

  it('gives the from side a transmitter rule without the ports, in mutual mode only', () => {
    const rule = { name: 'web', clauses: [is('app', 'web')], action: 'accept', mode: 'enforce' }
    expect(policyOf(WEB, pu('app=cli'))).toMatchObject({ receiverRules: [], transmitterRules: [rule] })
    expect(policyOf(WEB, pu('app=cli'), receiver)).toMatchObject({ receiverRules: [], transmitterRules: [] })
  })

  it('leaves a deny rule with ports to the receiver, and sets one without at both ends', () => {
    const withPorts =
      'rules: [{ name: r, to: { a: x }, from: { a: x }, ports: [22], action: deny, mode: observe }]'
    expect(policyOf(withPorts, pu('a=x'))).toMatchObject({
      receiverRules: [{ action: 'reject', mode: 'observe' }],
      transmitterRules: [],
    })
    const without = 'rules: [{ name: r, to: { a: x }, from: { a: x }, action: deny, mode: observe }]'
    const rule = { name: 'r', clauses: [is('a', 'x')], action: 'reject', mode: 'observe' }
    expect(policyOf(without, pu('a=x'))).toMatchObject({ receiverRules: [rule], transmitterRules: [rule] })
  })

  it('makes a rule of each selector of the other side, and one clause of everyone', () => {
    const yaml =
      'rules: [{ name: r, to: [{ app: web }, { env: prod }], from: [{}, { app: cli }], action: allow }]'
    const { receiverRules } = policyOf(yaml, pu('app=web', 'env=prod'))
    expect(receiverRules.map(({ name, clauses }) => ({ name, clauses }))).toEqual([
      { name: 'r', clauses: [ANYONE] },
      { name: 'r', clauses: [is('app', 'cli')] },
    ])
  })

  it('needs no clause for everyone where there is one for the ports', () => {
    const yaml = 'rules: [{ name: r, to: {}, from: {}, ports: [80], action: allow }]'
    expect(policyOf(yaml, pu()).receiverRules[0]?.clauses).toEqual([is(PORT_TAG, '80')])
  })

  it('sends tags once and without reserved ones, and annotates with all', () => {
    const runtime = pu('app=web', '@cgroup=x', '$sys=y', 'app=web', 'app=db')
    const { identity, annotations } = policyOf(WEB, runtime)
    expect(identity).toEqual(tags('app=web', 'app=db'))
    expect(annotations).toEqual(runtime.tags)
  })

  it('knows the PU by its node, and by none that it claims', () => {
    const yaml = `rules: [{ name: r, to: { "${ISSUER_TAG}": host-a }, from: {}, action: deny }]`
    expect(policyOf(yaml, pu()).receiverRules).toHaveLength(1)
    const other = policyFor(parsePolicy(yaml, 'p'), pu(`${ISSUER_TAG}=host-a`), {
      ...mutual,
      serverID: 'host-b',
    })
    expect(other.receiverRules).toHaveLength(0)
  })

  it('sorts external rules by direction, for the PUs that they name', () => {
    const yaml = `external:
      - { name: office, pu: { app: web }, direction: in, networks: [192.0.2.0/24], ports: [80], action: allow }
      - { name: dns, pu: {}, direction: out, networks: [198.51.100.0/24], ports: [53], protocol: udp, action: deny }`
    const rules = parsePolicy(yaml, 'p').external.map(({ rule }) => rule)
    expect(policyOf(yaml, pu('app=web'))).toMatchObject({
      networkACLs: [rules[0]],
      applicationACLs: [rules[1]],
    })
    expect(policyOf(yaml, pu('app=db'))).toMatchObject({ networkACLs: [], applicationACLs: [rules[1]] })
  })
})

describe('policyFileResolver', () => {
  it('answers with the policy of the PU', async () => {
    const document = parsePolicy(WEB, 'policy.yaml')
    const resolver = policyFileResolver({ document, ...mutual })
    resolver.handlePUEvent('1', 'start')
    expect(await resolver.resolvePolicy('1', pu('app=web'))).toEqual(
      policyFor(document, pu('app=web'), mutual),
    )
  })
})

interface RuleText {
  readonly to: Selectors
  readonly from: Selectors
  readonly ports?: readonly (number | string)[]
  readonly action: 'allow' | 'deny'
}
type Condition = string | readonly string[] | { not: string | readonly string[] } | { exists: boolean }
type Selectors = Readonly<Record<string, Condition>> | readonly Readonly<Record<string, Condition>>[]

const value = fc.constantFrom('a', 'ab', 'b', 'a*', '*')
const values = fc.oneof(value, fc.uniqueArray(value, { minLength: 1, maxLength: 2 }))
const condition: fc.Arbitrary<Condition> = fc.oneof(
  { arbitrary: values, weight: 3 },
  { arbitrary: fc.record({ not: values }), weight: 1 },
  { arbitrary: fc.record({ exists: fc.boolean() }), weight: 1 },
)
const selector = fc.dictionary(fc.constantFrom('app', 'env'), condition, { maxKeys: 2 })
/** Alike for a value and for a list of that value alone. */
const asWritten = (one: unknown) => JSON.stringify(one).replace(/[[\]]/g, '')
const selectors = fc.oneof(
  selector,
  fc.uniqueArray(selector, { minLength: 1, maxLength: 2, selector: asWritten }),
)
const rule: fc.Arbitrary<RuleText> = fc.record(
  {
    to: selectors,
    from: selectors,
    ports: fc.uniqueArray(fc.constantFrom(80, 443, '80-90'), { minLength: 1, maxLength: 2 }),
    action: fc.constantFrom('allow', 'allow', 'deny'),
  },
  { requiredKeys: ['to', 'from', 'action'] },
)
const rules = fc.array(rule, { maxLength: 4 })
const puTags = fc
  .array(fc.tuple(fc.constantFrom('app', 'env'), fc.constantFrom('a', 'ab', 'b')), { maxLength: 3 })
  .map(pairs => pairs.map(([key, value]) => `${key}=${value}`))

/** The rules of the README, read off the YAML's data: what a person would say of one connection. */
function mayConnect(list: readonly RuleText[], client: Tags, server: Tags, port: number): boolean {
  const applies = ({ to, from, ports }: RuleText) =>
    selects(to, server) && selects(from, client) && (ports?.some(one => hasPort(one, port)) ?? true)
  const deciding = list.filter(applies)
  return (
    deciding.some(({ action }) => action === 'allow') && deciding.every(({ action }) => action !== 'deny')
  )
}

function selects(text: Selectors, carried: Tags): boolean {
  return [text].flat().some(one =>
    Object.entries(one as Record<string, Condition>).every(([key, wanted]) => {
      const own = carried.filter(tag => tag.key === key).map(tag => tag.value)
      const has = (listed: string | readonly string[]) =>
        [listed].flat().some(v => own.some(o => means(v, o)))
      if (typeof wanted === 'string' || Array.isArray(wanted)) return has(wanted as string)
      if ('not' in wanted) return !has(wanted.not)
      return 'exists' in wanted && wanted.exists === own.length > 0
    }),
  )
}

const means = (listed: string, own: string) =>
  listed.endsWith('*') ? own.startsWith(listed.slice(0, -1)) : listed === own
const hasPort = (one: number | string, port: number) =>
  one === '80-90' ? port >= 80 && port <= 90 : one === port

const accepts = (list: readonly TagSelector[], peer: Tags) =>
  compileRules(list).match(peer)?.rule.action === 'accept'

describe('the policies of two PUs', () => {
  it('accept at the receiver what the rules allow, and nothing of that is refused at the transmitter', () => {
    const check = (list: readonly RuleText[], client: string[], server: string[], port: number) => {
      const text = JSON.stringify({ rules: list.map((one, index) => ({ name: `rule-${index}`, ...one })) })
      const document = parsePolicy(text, 'policy.yaml')
      const [from, to] = [client, server].map(own => policyFor(document, pu(...own), mutual)) as [
        PUPolicy,
        PUPolicy,
      ]
      const issuer = { key: ISSUER_TAG, value: 'host-a' }
      const dialled = { key: PORT_TAG, value: String(port) }
      const received = accepts(to.receiverRules, [...from.identity, issuer, dialled])
      expect(received).toBe(mayConnect(list, tags(...client), tags(...server), port))
      if (received) expect(accepts(from.transmitterRules, [...to.identity, issuer])).toBe(true)
    }
    fc.assert(fc.property(rules, puTags, puTags, fc.constantFrom(80, 85, 443), check), { numRuns: 600 })
  })

  it('hold only rules that compile, each once, with distinct tags', () => {
    const check = (list: readonly RuleText[], own: string[]) => {
      const text = JSON.stringify({ rules: list.map((one, index) => ({ name: `rule-${index}`, ...one })) })
      const policy = policyOf(text, pu(...own))
      for (const made of [policy.receiverRules, policy.transmitterRules]) {
        compileRules(made)
        expect(made.every(({ clauses }) => clauses.length > 0)).toBe(true)
        expect(new Set(made.map(one => JSON.stringify(one))).size).toBe(made.length)
      }
      compileACL([...policy.networkACLs, ...policy.applicationACLs])
      expect(new Set(policy.identity.map(tag => JSON.stringify(tag))).size).toBe(policy.identity.length)
    }
    fc.assert(fc.property(rules, puTags, check), { numRuns: 200 })
  })
})
