/** One rule as the tokens that follow `-A CHAIN`. */
export type Rule = readonly string[]

/** What a token made here may consist of: nothing that iptables-restore would split, unquote or take as a comment. */
const TOKEN = /^[\w.:@+,=%~\\/-]+$/

/**
 * Builds a rule from a template: words of the literal are tokens, every value is exactly one token, or the tokens of another
 * rule. So no value can bring further options with it.
 * @throws TypeError for a value that is no single harmless token.
 */
export function rule(literals: TemplateStringsArray, ...values: readonly (string | number | Rule)[]): Rule {
  return literals.flatMap((literal, at) => [...words(literal), ...tokensOf(values[at])])
}

/** Whether iptables-restore reads the text as one token, unchanged. */
export function isToken(text: string): boolean {
  return TOKEN.test(text)
}

/** A value under a mask, as `--mark` and `--set-xmark` take it. */
export function masked(value: number, mask: number): string {
  return `${hex(value)}/${hex(mask)}`
}

export function hex(value: number): string {
  return `0x${(value >>> 0).toString(16)}`
}

function words(literal: string): string[] {
  return literal.split(' ').filter(word => word !== '')
}

function tokensOf(value: string | number | Rule | undefined): readonly string[] {
  if (value === undefined) return []
  if (typeof value === 'object') return value
  const token = String(value)
  if (!isToken(token))
    throw new TypeError(`iptables rule: ${JSON.stringify(token)} is not a single plain token`)
  return [token]
}
