import { isReservedTagKey, type Tag, type Tags } from '@trireme/core'
import type { PolicyDocument, Selector } from './policy-document.js'

/** A tag that a policy selects by, near one that a PU has. */
export interface NearTag {
  /** `key=value`, of the policy. */
  readonly selected: string
  /** `key=value`, of the PU. */
  readonly carried: string
  /** Letters to change, insert, leave out or swap: 1 or 2. */
  readonly distance: number
}

const MAX_DISTANCE = 2
/** Texts of the policy that are looked at, and pairs that are compared: a policy may be long, and PUs may have many tags. */
const MAX_TEXTS = 5_000
const MAX_PAIRS = 20_000
const MAX_LENGTH = 128

/** The tag of the policy's selectors that is nearest to one of the PU's, the first of equals. */
export function nearestTag(document: PolicyDocument, tags: Tags): NearTag | undefined {
  const texts = [...selectedTexts(document)]
  let nearest: NearTag | undefined
  let pairs = 0
  for (const { key, value } of tags.filter(tag => !isReservedTagKey(tag.key))) {
    const carried = `${key}=${value}`
    for (const selected of texts) {
      pairs += 1
      if (pairs > MAX_PAIRS) return nearest
      const distance = editDistance(carried, selected)
      if (distance === 0 || distance > MAX_DISTANCE || distance >= (nearest?.distance ?? Infinity)) continue
      nearest = { selected, carried, distance }
      if (distance === 1) return nearest
    }
  }
  return nearest
}

function selectedTexts({ rules, external }: PolicyDocument): ReadonlySet<string> {
  const texts = new Set<string>()
  const add = (selectors: readonly Selector[]) => {
    for (const { key, operator, values } of selectors.flat()) {
      if (operator !== '=' || isReservedTagKey(key)) continue
      for (const value of values)
        if (!value.endsWith('*') && texts.size < MAX_TEXTS) texts.add(textOf({ key, value }))
    }
  }
  for (const { to, from } of rules) {
    if (texts.size >= MAX_TEXTS) return texts
    add(to)
    add(from)
  }
  for (const { pu } of external) {
    if (texts.size >= MAX_TEXTS) return texts
    add(pu)
  }
  return texts
}

function textOf({ key, value }: Tag): string {
  return `${key}=${value}`
}

/** Optimal string alignment: swapped neighbours count once. Beyond `MAX_DISTANCE` it is only said that it is more. */
export function editDistance(a: string, b: string): number {
  const tooFar = MAX_DISTANCE + 1
  if (Math.abs(a.length - b.length) > MAX_DISTANCE || Math.max(a.length, b.length) > MAX_LENGTH) return tooFar
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= b.length; column += 1) {
      const isSame = a[row - 1] === b[column - 1]
      let least = Math.min(
        above[column]! + 1,
        current[column - 1]! + 1,
        above[column - 1]! + (isSame ? 0 : 1),
      )
      const isSwap = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      if (isSwap) least = Math.min(least, before[column - 2]! + 1)
      current.push(least)
    }
    if (Math.min(...current) > MAX_DISTANCE) return tooFar
    before = above
    above = current
  }
  return Math.min(above[b.length]!, tooFar)
}
