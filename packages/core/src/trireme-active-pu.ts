import { runAll, TriremeError } from './errors.js'
import type { Enforcement, Isolator, PUInfo } from './plugin.js'

/** What is in force for a running PU. Without `enforcement` its policy is to allow all, and nothing is installed. */
export interface ActivePU {
  readonly pu: PUInfo
  readonly isolator: Isolator
  readonly enforcement: Enforcement | undefined
}

/**
 * Brings `pu` into force in the place of `previous`: enforcer first, so that no rule ever feeds a queue nobody reads.
 * Rejects with the first error, joined by those of the clean-up, and then `previous`, or nothing, is in force.
 */
export async function activate(
  isolator: Isolator,
  pu: PUInfo,
  previous: ActivePU | undefined,
): Promise<ActivePU> {
  if (previous !== undefined && previous.isolator !== isolator) throw kindError(previous.pu, pu)
  if (pu.policy.action === 'allow-all') {
    if (previous?.enforcement !== undefined) await lift(previous)
    return { pu, isolator, enforcement: undefined }
  }
  const enforcement =
    previous?.enforcement === undefined
      ? await bringUp(isolator, pu)
      : await replace(previous, previous.enforcement, pu)
  return { pu, isolator, enforcement }
}

/** Takes down what is in force: traps first, then the enforcer, which is attempted whatever became of the traps. */
export async function deactivate({ isolator, pu, enforcement }: ActivePU): Promise<void> {
  if (enforcement === undefined) return
  await runAll([
    () => isolator.supervisor.unsupervise(pu.contextID),
    () => isolator.enforcer.unenforce(pu.contextID),
  ])
}

async function bringUp({ enforcer, supervisor }: Isolator, pu: PUInfo): Promise<Enforcement> {
  try {
    const enforcement = await enforcer.enforce(pu)
    await supervisor.supervise(pu, enforcement)
    return enforcement
  } catch (error) {
    return failAfter(error, () => enforcer.unenforce(pu.contextID))
  }
}

async function replace(previous: ActivePU, standing: Enforcement, pu: PUInfo): Promise<Enforcement> {
  const { enforcer, supervisor } = previous.isolator
  try {
    const enforcement = await enforcer.enforce(pu)
    await supervisor.supervise(pu, enforcement)
    return enforcement
  } catch (error) {
    return failAfter(error, async () => {
      const restored = await enforcer.enforce(previous.pu)
      // A supervisor that fails leaves its rules as they were, so they need a change only if queue or epoch moved.
      if (restored.queueNumber === standing.queueNumber && restored.epoch === standing.epoch) return
      await supervisor.supervise(previous.pu, restored)
    })
  }
}

/** Takes enforcement down for a PU that goes on running; where that fails, all of it is put back. */
async function lift(previous: ActivePU): Promise<void> {
  const { enforcer, supervisor } = previous.isolator
  try {
    await supervisor.unsupervise(previous.pu.contextID)
    await enforcer.unenforce(previous.pu.contextID)
  } catch (error) {
    await failAfter(error, async () => {
      await supervisor.supervise(previous.pu, await enforcer.enforce(previous.pu))
    })
  }
}

/** Rejects with `error`; where the clean-up fails too, with both. */
async function failAfter(error: unknown, cleanUp: () => Promise<void>): Promise<never> {
  const rethrow = () => {
    throw error
  }
  await runAll([rethrow, cleanUp])
  throw error
}

function kindError(running: PUInfo, pu: PUInfo): TriremeError {
  const was = running.runtime.kind
  return new TriremeError(
    'ERR_PU_EXISTS',
    `PU ${pu.contextID} runs as ${was}: expected a stop before it starts as ${pu.runtime.kind}`,
  )
}
