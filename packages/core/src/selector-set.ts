import { ClauseIndex } from './clause-index.js'
import type { KeyValueOperator } from './policy.js'
import { clauseHolds, compileClause } from './rule-clause.js'
import type { Tags } from './tags.js'

/** Conditions on identities, each a list of clauses that all have to hold; a list without any holds for everyone. */
export interface SelectorSet {
  /** The numbers of those that hold, ascending, each once. Costs what the tags bring up, not what there is. */
  matching(tags: Tags): readonly number[]
}

/** @throws TriremeError `ERR_POLICY` as `compileRules` does for a clause. */
export function compileSelectors(selectors: readonly (readonly KeyValueOperator[])[]): SelectorSet {
  const compiled = selectors.map(clauses =>
    clauses.map(clause => compileClause(clause, { name: 'selector', clauses, action: 'accept' })),
  )
  const index = new ClauseIndex(compiled)
  return {
    matching(tags) {
      const candidates = new Set(index.candidates(tags).flat())
      const holding = [...candidates].filter(each =>
        compiled[each]!.every(clause => clauseHolds(clause, tags)),
      )
      return holding.sort((a, b) => a - b)
    },
  }
}
