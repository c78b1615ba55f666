import {
  DENY_ALL,
  ISSUER_TAG,
  isReservedTagKey,
  type PUPolicy,
  type PURuntime,
  type Tags,
} from '@trireme/core'
import { indexOf } from './document-index.js'
import type { PolicyDocument, PUSettings } from './policy-document.js'

/** What a policy depends on beside the document and the PU. */
export interface PolicyContext {
  /** `receiver`: the end that connects decides nothing, so it gets no transmitter rules. */
  readonly authorization: 'mutual' | 'receiver'
  /** The node's own: what a selector's `@sys:issuer` says of the PU itself. */
  readonly serverID: string
}

/**
 * The policy of a PU under a document. Its identity is the PU's tags without those under reserved prefixes, and the labels that a rule
 * names of those which the monitor left out (`label:KEY` among its options).
 *
 * A rule gives the PU that its `to` selects one receiver rule for each selector of `from`, and in mutual mode gives the PU
 * that its `from` selects one transmitter rule for each selector of `to`, all under the rule's name. Ports are the
 * receiver's to judge: behind NAT the end that connects does not know on which port the other is reached. So on the
 * transmitter's side an `allow` rule stands without its ports, and a `deny` rule with ports does not stand at all.
 *
 * `mode` and `dns` are those of the first of `pus` that selects the PU and says one, else the document's.
 */
export function policyFor(document: PolicyDocument, runtime: PURuntime, context: PolicyContext): PUPolicy {
  const tags = [...runtime.tags, ...namedLabels(document, runtime)]
  const identity = identityOf(tags)
  const self: Tags = [...identity, { key: ISSUER_TAG, value: context.serverID }]
  const index = indexOf(document)
  const external = index.external(self)
  const settings: readonly Omit<PUSettings, 'pu'>[] = [...index.settings(self), document]
  const dns = settings.find(each => each.dns !== undefined)?.dns
  return {
    ...DENY_ALL,
    identity,
    annotations: tags,
    receiverRules: index.receiverRules(self),
    transmitterRules: context.authorization === 'mutual' ? index.transmitterRules(self) : [],
    networkACLs: external.filter(({ direction }) => direction === 'in').map(({ rule }) => rule),
    applicationACLs: external.filter(({ direction }) => direction === 'out').map(({ rule }) => rule),
    mode: settings.find(each => each.mode !== undefined)?.mode ?? DENY_ALL.mode,
    ...(dns === undefined ? {} : { dns }),
  }
}

/** Whether a rule of either list selects the PU. */
export function isSelected(
  document: PolicyDocument,
  runtime: PURuntime,
  { serverID }: PolicyContext,
): boolean {
  const tags = [...runtime.tags, ...namedLabels(document, runtime)]
  const self: Tags = [...identityOf(tags), { key: ISSUER_TAG, value: serverID }]
  const { receiverRules, transmitterRules, external } = indexOf(document)
  return [receiverRules, transmitterRules, external].some(rulesOf => rulesOf(self).length > 0)
}

const LABEL = 'label:'

/** Labels that the monitor left out of the tags, as far as a rule asks for their key. */
function namedLabels({ rules, external, pus = [] }: PolicyDocument, { options = {} }: PURuntime): Tags {
  const left = Object.entries(options).filter(([name]) => name.startsWith(LABEL))
  if (left.length === 0) return []
  const selectors = [
    ...rules.flatMap(({ to, from }) => [...to, ...from]),
    ...[...external, ...pus].flatMap(({ pu }) => pu),
  ]
  const named = new Set(selectors.flatMap(selector => selector.map(({ key }) => key)))
  return left
    .map(([name, value]) => ({ key: name.slice(LABEL.length), value }))
    .filter(({ key }) => named.has(key))
}

/** The tags that a PU may claim, each once. */
function identityOf(tags: Tags): Tags {
  const seen = new Set<string>()
  return tags.filter(({ key, value }) => {
    const text = JSON.stringify([key, value])
    if (isReservedTagKey(key) || seen.has(text)) return false
    seen.add(text)
    return true
  })
}
