import { runAll } from './errors.js'
import type { Enforcer, Isolators, Lifecycle, Supervisor } from './plugin.js'

/** Starts each after the one before. Where one fails, those that had started are stopped, the last one first. */
export async function startInOrder(parts: readonly Lifecycle[]): Promise<void> {
  const begun: Lifecycle[] = []
  try {
    for (const part of parts) {
      await part.start()
      begun.unshift(part)
    }
  } catch (error) {
    const rethrow = () => {
      throw error
    }
    await runAll([rethrow, ...begun.map(part => () => part.stop())])
  }
}

/** Each part once, however many kinds share it. */
export function distinctParts(isolators: Isolators): {
  readonly enforcers: readonly Enforcer[]
  readonly supervisors: readonly Supervisor[]
} {
  const pairs = Object.values(isolators)
  return {
    enforcers: [...new Set(pairs.map(pair => pair.enforcer))],
    supervisors: [...new Set(pairs.map(pair => pair.supervisor))],
  }
}
