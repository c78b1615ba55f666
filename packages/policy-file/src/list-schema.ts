import { z } from 'zod'

/** A list without an item twice. `what` names it in errors. */
export function listOf<Item>(item: z.ZodType<Item>, what: string, minLength: 0 | 1 = 1) {
  return z
    .array(item, { error: what })
    .min(minLength, { error: `${what} with at least one item` })
    .superRefine((items, context) => {
      const seen = new Set<string>()
      for (const [index, one] of items.entries()) {
        const text = JSON.stringify(one)
        if (seen.has(text)) context.addIssue({ code: 'custom', path: [index], message: 'every item once' })
        seen.add(text)
      }
    })
}

/** The same, where a single item may stand without the list around it. */
export function oneOrListOf<Item>(item: z.ZodType<Item>, what: string): z.ZodType<readonly Item[]> {
  const list = listOf(item, what)
  return z.unknown().transform((value, context): readonly Item[] => {
    if (Array.isArray(value)) return checked(list, value, { context, path: [] }) ?? z.NEVER
    const one = checked(item, value, { context, path: [] })
    return one === undefined ? z.NEVER : [one]
  })
}

/** Where a schema that reads a part of another's value reports what it finds. */
export interface Place {
  readonly context: z.RefinementCtx
  readonly path: readonly PropertyKey[]
}

/** The value as a schema reads it; `undefined` where it finds flaws, which are the context's from then on. */
export function checked<Data>(schema: z.ZodType<Data>, value: unknown, place: Place): Data | undefined {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  for (const issue of result.error.issues) {
    const path = [...place.path, ...issue.path]
    place.context.issues.push({ ...issue, path, input: value } as z.core.$ZodRawIssue)
  }
  return undefined
}
