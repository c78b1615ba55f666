import { type Document, isAlias, isMap, isNode, isScalar, isSeq, type Pair } from 'yaml'

/** Map keys and list positions, from the outermost inwards. */
export type Path = readonly (string | number)[]

/** `rules[0].from.app`, as the only item; none for the whole document. A key that is not a plain word is quoted in brackets. */
export function formatPath(path: Path): readonly string[] {
  const text = path.map(key => {
    if (typeof key === 'number') return `[${key}]`
    return /^[A-Za-z_][\w-]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`
  })
  return path.length === 0 ? [] : [text.join('').replace(/^\./, '')]
}

/** The path of the innermost key whose text, or whose value's text, contains an offset. */
export function pathAt(node: unknown, offset: number): Path {
  if (isMap(node)) {
    const pair = node.items.find(item => startOf(item.key) <= offset && offset < endOf(item))
    return isScalar(pair?.key) ? [keyOf(pair), ...pathAt(pair.value, offset)] : []
  }
  if (isSeq(node)) {
    const index = node.items.findIndex(item => startOf(item) <= offset && offset < endOf(item))
    return index < 0 ? [] : [index, ...pathAt(node.items[index], offset)]
  }
  return []
}

/** Where a path begins in the text, or the longest part of it that exists. */
export function offsetOf(document: Document, path: Path): number {
  let node: unknown = document.contents
  let offset = startOf(node)
  for (const key of path) {
    if (isAlias(node)) node = node.resolve(document)
    const pair = isMap(node) ? node.items.find(item => keyOf(item) === key) : undefined
    const item = isSeq(node) && typeof key === 'number' ? node.items[key] : pair?.key
    if (item === undefined) break
    offset = startOf(item)
    node = pair ? pair.value : item
  }
  return offset
}

function keyOf(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.value) : ''
}

function startOf(node: unknown): number {
  return (isNode(node) && node.range?.[0]) || 0
}

function endOf(item: unknown): number {
  if (isNode(item)) return item.range?.[2] ?? 0
  const { key, value } = item as Pair
  return isNode(value) && value.range ? value.range[2] : endOf(key)
}
