import {
  compileRules,
  DENY_ALL,
  ISSUER_TAG,
  isReservedTagKey,
  type KeyValueOperator,
  PORT_TAG,
  type PortRange,
  type PUPolicy,
  type PURuntime,
  type TagSelector,
  type Tags,
} from '@trireme/core'
import type { PolicyDocument, PolicyRule, Selector } from './policy-document.js'

/** What a policy depends on beside the document and the PU. */
export interface PolicyContext {
  /** `receiver`: the end that connects decides nothing, so it gets no transmitter rules. */
  readonly authorization: 'mutual' | 'receiver'
  /** The node's own: what a selector's `@sys:issuer` says of the PU itself. */
  readonly serverID: string
}

/** Under this clause every identity falls: the verifier adds the tag to each. */
const ANYONE: KeyValueOperator = { key: ISSUER_TAG, operator: '*', values: [] }

/**
 * The policy of a PU under a document. Its identity is the PU's tags without those under reserved prefixes, and the labels that a rule
 * names of those which the monitor left out (`label:KEY` among its options).
 *
 * A rule gives the PU that its `to` selects one receiver rule for each selector of `from`, and in mutual mode gives the PU
 * that its `from` selects one transmitter rule for each selector of `to`, all under the rule's name. Ports are the
 * receiver's to judge: behind NAT the end that connects does not know on which port the other is reached. So on the
 * transmitter's side an `allow` rule stands without its ports, and a `deny` rule with ports does not stand at all.
 */
export function policyFor(document: PolicyDocument, runtime: PURuntime, context: PolicyContext): PUPolicy {
  const tags = [...runtime.tags, ...namedLabels(document, runtime)]
  const identity = identityOf(tags)
  const self: Tags = [...identity, { key: ISSUER_TAG, value: context.serverID }]
  const external = document.external.filter(({ pu }) => selects(pu, self))
  return {
    ...DENY_ALL,
    identity,
    annotations: tags,
    receiverRules: document.rules.filter(({ to }) => selects(to, self)).flatMap(receiverRules),
    transmitterRules:
      context.authorization === 'mutual'
        ? document.rules.filter(({ from }) => selects(from, self)).flatMap(transmitterRules)
        : [],
    networkACLs: external.filter(({ direction }) => direction === 'in').map(({ rule }) => rule),
    applicationACLs: external.filter(({ direction }) => direction === 'out').map(({ rule }) => rule),
  }
}

/** Whether one of the selectors applies to an identity that carries the issuer tag. */
function selects(selectors: readonly Selector[], tags: Tags): boolean {
  const rules = selectors.map((selector): TagSelector => {
    return { name: '', clauses: clausesOf(selector), action: 'accept' }
  })
  return compileRules(rules).match(tags) !== undefined
}

function clausesOf(selector: Selector): Selector {
  return selector.length > 0 ? selector : [ANYONE]
}

const LABEL = 'label:'

/** Labels that the monitor left out of the tags, as far as a rule asks for their key. */
function namedLabels({ rules, external }: PolicyDocument, { options = {} }: PURuntime): Tags {
  const left = Object.entries(options).filter(([name]) => name.startsWith(LABEL))
  if (left.length === 0) return []
  const selectors = [
    ...rules.flatMap(({ to, from }) => [...to, ...from]),
    ...external.flatMap(({ pu }) => pu),
  ]
  const named = new Set(selectors.flatMap(selector => selector.map(({ key }) => key)))
  return left
    .map(([name, value]) => ({ key: name.slice(LABEL.length), value }))
    .filter(({ key }) => named.has(key))
}

/** The tags that a PU may claim, each once. */
function identityOf(tags: Tags): Tags {
  return tags.filter(
    ({ key, value }, index) =>
      !isReservedTagKey(key) && tags.findIndex(tag => tag.key === key && tag.value === value) === index,
  )
}

function receiverRules(rule: PolicyRule): readonly TagSelector[] {
  return rule.from.map(peer => tagSelector(rule, [...peer, ...portClauses(rule.ports)]))
}

function transmitterRules(rule: PolicyRule): readonly TagSelector[] {
  if (rule.action === 'deny' && rule.ports.length > 0) return []
  return rule.to.map(peer => tagSelector(rule, peer))
}

function tagSelector({ name, action, mode }: PolicyRule, clauses: Selector): TagSelector {
  return {
    name,
    clauses: clausesOf(clauses),
    action: action === 'allow' ? 'accept' : 'reject',
    mode,
  }
}

function portClauses(ports: readonly PortRange[]): Selector {
  if (ports.length === 0) return []
  const values = ports.map(({ first, last }) => (first === last ? String(first) : `${first}-${last}`))
  return [{ key: PORT_TAG, operator: '=', values }]
}
