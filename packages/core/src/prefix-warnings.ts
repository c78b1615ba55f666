import type { PUPolicy, TagSelector } from './policy.js'
import { prefixClauses } from './short-tags.js'

/**
 * One sentence for each rule over identities that lists a prefix: where tags travel shortened, no prefix can be found in them.
 * @param authorization with `receiver`, transmitter rules decide nothing.
 */
export function prefixWarnings(policy: PUPolicy, authorization: 'mutual' | 'receiver'): readonly string[] {
  const transmitterRules = authorization === 'mutual' ? policy.transmitterRules : []
  return [...policy.receiverRules, ...transmitterRules].flatMap(rule => {
    const prefixes = prefixClauses(rule).flatMap(({ key, values }) =>
      values.filter(value => value.endsWith('*')).map(value => `${key}=${value}`),
    )
    if (prefixes.length === 0) return []
    return [
      `rule ${rule.name}: ${prefixes.join(', ')}: a peer with too many tags to send in full ${outcomeOf(rule)}; list values, or tag key existence`,
    ]
  })
}

function outcomeOf({ action, mode }: TagSelector): string {
  if (action === 'accept') return 'matches no prefix and is not accepted by this rule'
  return `counts as matching and ${mode === 'observe' ? 'passes, observed' : 'is denied'}`
}
