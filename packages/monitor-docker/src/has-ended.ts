import type { RunningContainer } from './container-place.js'
import type { Processes } from './container-process.js'
import type { Engine } from './engine.js'

/** Who knows whether a container runs. */
export interface Witnesses {
  /** Undefined while it is lost. */
  readonly engine: () => Engine | undefined
  readonly processes: Processes
  /** Resolves after so long, or when the monitor stops. */
  readonly pause: (ms: number) => Promise<void>
}

/** How long the engine may take to notice what the kernel knows already. */
const LOOK_MS = 100
const LOOKS = 150
const ENDED = { Running: false, Pid: 0 } as const

/**
 * Whether a container that could not be enforced has ended by itself. The engine's word counts: a process may just be invisible from
 * here, and its container must not run on unpoliced. Without an engine the kernel's word does, for all is looked at again once it is back.
 */
export async function hasEnded({ container, pid }: RunningContainer, witnesses: Witnesses): Promise<boolean> {
  for (let look = 0; look < LOOKS; look++) {
    const isGone = witnesses.processes.identity(pid) === undefined
    const engine = witnesses.engine()
    if (engine === undefined) return isGone
    // An engine that fails to answer has not said that it ended.
    const state = await engine.inspect(container.Id).then(
      found => found?.State ?? ENDED,
      () => undefined,
    )
    if (state !== undefined && (!state.Running || state.Pid !== pid)) return true
    if (!isGone) return false
    await witnesses.pause(LOOK_MS)
  }
  return false
}
