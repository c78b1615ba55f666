import { ISSUER_TAG, isReservedTagKey, type KeyValueOperator, type Operator } from '@trireme/core'
import { z } from 'zod'
import { checked, oneOrListOf } from './list-schema.js'
import { isMapping } from './mapping.js'
import type { Selector } from './policy-document.js'

const VALUE = 'a value, a list of values, { not: … } or { exists: … }'

const tagValue = z
  .string({ error: VALUE })
  .refine(text => !text.slice(0, -1).includes('*'), { error: 'a value with * at its end only' })

const tagValues = oneOrListOf(tagValue, 'a list of values')

const presence = z
  .enum(['true', 'false'], { error: 'true or false' })
  .transform((exists): Operator => (exists === 'true' ? '*' : '!*'))

const noOperator = z.never({ error: 'one operator: not or exists' })

/** One selector: a map of tag to condition. The conditions are ANDed; without any, every identity is selected. */
const selectorSchema = z.unknown().transform((value, context): Selector => {
  if (isMapping(value)) {
    return Object.entries(value).flatMap(([key, condition]) => clause(key, condition, context) ?? [])
  }
  const message = 'a selector: a map of tag to value, or {} for everyone'
  context.issues.push({ code: 'custom', input: value, message })
  return z.NEVER
})

/** A selector, or a list of selectors of which one has to apply. */
export const selectorsSchema = oneOrListOf(selectorSchema, 'a selector or a list of selectors')

function clause(key: string, condition: unknown, context: z.RefinementCtx): KeyValueOperator | undefined {
  const message = keyFlaw(key)
  if (message) {
    context.issues.push({ code: 'custom', path: [key], input: condition, message })
    return undefined
  }
  const at = (...path: string[]) => ({ context, path: [key, ...path] })
  if (!isMapping(condition)) {
    const values = checked(tagValues, condition, at())
    return values && { key, operator: '=', values }
  }
  const { not, exists, ...others } = condition
  const [unknown] = Object.keys(others)
  if (not !== undefined && Object.keys(condition).length === 1) {
    const values = checked(tagValues, not, at('not'))
    return values && { key, operator: '=!', values }
  }
  if (exists !== undefined && Object.keys(condition).length === 1) {
    const operator = checked(presence, exists, at('exists'))
    return operator && { key, operator, values: [] }
  }
  checked(noOperator, condition, at(...(unknown === undefined ? [] : [unknown])))
  return undefined
}

function keyFlaw(key: string): string | undefined {
  if (key === '' || key.includes('=')) return 'a tag whose name is not empty and has no ='
  if (isReservedTagKey(key) && key !== ISSUER_TAG) {
    return `a tag that does not begin with @ or $ (except ${ISSUER_TAG})`
  }
  return undefined
}
