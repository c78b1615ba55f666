/** One call that a double got. */
export interface Call {
  readonly method: string
  readonly args: readonly unknown[]
}

type Method = (...args: never[]) => unknown

/**
 * An object that fulfils `Contract`, remembers its calls in order, and whose every method can be given another behaviour:
 * `resolvePolicy` by `mockResolvePolicy(fn)`, and so on.
 */
export type TestDouble<Contract> = Contract & {
  readonly calls: readonly Call[]
} & {
  readonly [Name in keyof Contract & string as NonNullable<Contract[Name]> extends Method
    ? `mock${Capitalize<Name>}`
    : never]-?: (implementation: NonNullable<Contract[Name]>) => void
}

/** A double that behaves like `defaults`, an object literal, until told otherwise. A call that throws is remembered too. */
export function newTestDouble<Contract extends object>(defaults: Contract): TestDouble<Contract> {
  const calls: Call[] = []
  const double: Record<string, unknown> = { ...defaults, calls }
  for (const [method, original] of Object.entries(defaults)) {
    if (typeof original !== 'function') continue
    let implementation: (...args: unknown[]) => unknown = original
    double[method] = (...args: unknown[]) => {
      calls.push({ method, args })
      return implementation(...args)
    }
    double[`mock${method.charAt(0).toUpperCase()}${method.slice(1)}`] = (next: typeof implementation) => {
      implementation = next
    }
  }
  return double as TestDouble<Contract>
}
