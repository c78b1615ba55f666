import { compileSelectors, type SelectorSet, type TagSelector, type Tags } from '@trireme/core'
import type { ExternalRule, PolicyDocument, PolicyRule, PUSettings, Selector } from './policy-document.js'
import { receiverRules, transmitterRules } from './tag-selectors.js'

/**
 * A policy document, ready to be asked by PU: a question costs what selects the PU, not what the document holds. PUs share the
 * rules that they have in common. Tags carry the issuer.
 */
export interface DocumentIndex {
  receiverRules(tags: Tags): readonly TagSelector[]
  transmitterRules(tags: Tags): readonly TagSelector[]
  external(tags: Tags): readonly ExternalRule[]
  settings(tags: Tags): readonly PUSettings[]
}

const indexes = new WeakMap<PolicyDocument, DocumentIndex>()

/** The index of a document, made at the first call. */
export function indexOf(document: PolicyDocument): DocumentIndex {
  const known = indexes.get(document)
  if (known) return known
  const index = newIndex(document)
  indexes.set(document, index)
  return index
}

function newIndex({ rules, external, pus = [] }: PolicyDocument): DocumentIndex {
  return {
    receiverRules: lists(rules, ({ to }) => to, receiverRules),
    transmitterRules: lists(rules, ({ from }) => from, transmitterRules),
    external: lists(
      external,
      ({ pu }) => pu,
      each => [each],
    ),
    settings: lists(
      pus,
      ({ pu }) => pu,
      each => [each],
    ),
  }
}

/** What each item that selects the tags gives, in the order of the items. */
function lists<Item extends PolicyRule | ExternalRule | PUSettings, Result>(
  items: readonly Item[],
  selectorsOf: (item: Item) => readonly Selector[],
  resultOf: (item: Item) => readonly Result[],
): (tags: Tags) => readonly Result[] {
  const owners = items.flatMap((item, place) => selectorsOf(item).map(() => place))
  let selectors: SelectorSet | undefined
  const results = new Map<number, readonly Result[]>()
  const resultAt = (place: number): readonly Result[] => {
    const result = results.get(place) ?? resultOf(items[place]!)
    results.set(place, result)
    return result
  }
  return tags => {
    selectors ??= compileSelectors(items.flatMap(selectorsOf))
    const places = new Set(selectors.matching(tags).map(selector => owners[selector]!))
    return [...places].flatMap(resultAt)
  }
}
