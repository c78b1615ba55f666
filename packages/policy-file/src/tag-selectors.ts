import { ISSUER_TAG, type KeyValueOperator, PORT_TAG, type PortRange, type TagSelector } from '@trireme/core'
import type { PolicyRule, Selector } from './policy-document.js'

/** Under this clause every identity falls: the verifier adds the tag to each. */
const ANYONE: KeyValueOperator = { key: ISSUER_TAG, operator: '*', values: [] }

/** What a rule says to a PU that its `to` selects. */
export function receiverRules(rule: PolicyRule): readonly TagSelector[] {
  return rule.from.map(peer => tagSelector(rule, [...peer, ...portClauses(rule.ports)]))
}

/** What a rule says to a PU that its `from` selects. */
export function transmitterRules(rule: PolicyRule): readonly TagSelector[] {
  if (rule.action === 'deny' && rule.ports.length > 0) return []
  return rule.to.map(peer => tagSelector(rule, peer))
}

function tagSelector({ name, action, mode }: PolicyRule, clauses: Selector): TagSelector {
  return {
    name,
    clauses: clauses.length > 0 ? clauses : [ANYONE],
    action: action === 'allow' ? 'accept' : 'reject',
    mode,
  }
}

function portClauses(ports: readonly PortRange[]): Selector {
  if (ports.length === 0) return []
  const values = ports.map(({ first, last }) => (first === last ? String(first) : `${first}-${last}`))
  return [{ key: PORT_TAG, operator: '=', values }]
}
