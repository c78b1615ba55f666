import { z } from 'zod'

/** A map with these keys and no others. */
export function strictMap<Shape extends z.core.$ZodShape>(shape: Shape) {
  const keys = Object.keys(shape).join(', ')
  return z.strictObject(shape, {
    error: issue =>
      issue.code === 'unrecognized_keys'
        ? `${Object.keys(shape).length > 1 ? 'one of ' : ''}${keys || 'no key'}`
        : keys
          ? `a map with ${keys}`
          : 'an empty map {}',
  })
}
