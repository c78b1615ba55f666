/** What callers without types get wrong is said at once, by name, instead of where it is used first. */

/** @throws TypeError where the value is no text, or an empty one. */
export function assertText(name: string, value: unknown): asserts value is string {
  if (typeof value === 'string' && value !== '') return
  throw wrong(name, value, 'a text that is not empty')
}

/** @throws TypeError where the value is no object. */
export function assertObject(name: string, value: unknown): asserts value is object {
  if (typeof value === 'object' && value !== null) return
  throw wrong(name, value, 'an object')
}

/** @throws TypeError where the value has not all of these methods. */
export function assertMethods(name: string, value: unknown, methods: readonly string[]): void {
  const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function'
  const members = isObject ? (value as Readonly<Record<string, unknown>>) : {}
  const missing = methods.filter(method => typeof members[method] !== 'function')
  if (missing.length === 0) return
  const expected = `an object with ${listed(methods.map(method => `${method}()`))}`
  throw isObject
    ? new TypeError(`${name}: ${listed(missing)} missing, expected ${expected}`)
    : wrong(name, value, expected)
}

/** @throws TypeError where the value is none of these words. */
export function assertWord(name: string, value: unknown, words: readonly string[]): void {
  if (typeof value === 'string' && words.includes(value)) return
  throw wrong(name, value, `one of ${words.join(', ')}`)
}

function wrong(name: string, value: unknown, expected: string): TypeError {
  const shown =
    typeof value === 'string'
      ? JSON.stringify(value)
      : typeof value === 'object'
        ? shape(value)
        : String(value)
  return new TypeError(`${name} ${shown}: expected ${expected}`)
}

/** An object may hold secrets. */
function shape(value: object | null): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'an array' : 'an object'
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`
}
