import {
  type Isolation,
  type ProcessingUnitsHandler,
  type PURuntime,
  runAll,
  TriremeError,
} from '@trireme/core'
import { newContextID } from './context-id.js'
import type { ContextStore, StoredContext } from './context-store.js'
import { type ProcessFacts, readCgroupOf, readProcessFacts } from './process-facts.js'
import type { PUCgroups } from './pu-cgroups.js'
import { assertRunRequest, type RunRequest } from './run-request.js'

/** What an activation works with. */
export interface ActivationComponents {
  readonly handler: ProcessingUnitsHandler
  readonly store: ContextStore
  readonly cgroups: PUCgroups
}

/**
 * Makes a process a PU: known on disk, then enforced, then moved into its cgroup. A failure undoes all of it, the last first.
 */
export async function activate(
  components: ActivationComponents,
  request: RunRequest,
): Promise<StoredContext> {
  assertRunRequest(request)
  const { cgroups } = components
  const facts = await assertProcess(request.pid)
  const contextID = newContextID()
  const runtime = runtimeOf(request, await cgroups.allot(contextID))
  const origin = (await readCgroupOf(request.pid, cgroups.mount.version)) ?? ''
  const context = { contextID, runtime, origin }
  const done: (() => Promise<void>)[] = []
  try {
    for (const step of steps(components, context, { pid: request.pid, facts })) {
      done.unshift(step.undo)
      await step.take()
    }
  } catch (error) {
    await runAll([() => Promise.reject(error), ...done])
  }
  return context
}

/** `undo` leaves nothing of the step behind, whether `take` failed, in part or at all. */
interface Step {
  readonly take: () => Promise<void>
  readonly undo: () => Promise<void>
}

function steps(
  { handler, store, cgroups }: ActivationComponents,
  context: StoredContext,
  process: { readonly pid: number; readonly facts: ProcessFacts },
): readonly Step[] {
  const { contextID, runtime, origin } = context
  const report = (event: 'create' | 'start' | 'stop' | 'destroy') => handler.handlePUEvent(contextID, event)
  let isEnforced = false
  return [
    // The store first: what a crash leaves behind is what the store names.
    { take: () => store.write(context), undo: () => store.remove(contextID) },
    { take: () => cgroups.create(contextID, runtime.isolation), undo: () => cgroups.remove(contextID) },
    {
      take: async () => {
        handler.setPURuntime(contextID, runtime)
        await report('create')
      },
      undo: () => report('destroy'),
    },
    {
      take: async () => {
        await report('start')
        isEnforced = true
      },
      undo: async () => {
        if (isEnforced) await report('stop')
      },
    },
    {
      take: async () => {
        await cgroups.enter(contextID, process.pid)
        await assertInside(cgroups, contextID, process)
      },
      undo: () => cgroups.evacuate(contextID, origin),
    },
  ]
}

function runtimeOf(request: RunRequest, isolation: Isolation): PURuntime {
  const { pid, name = `process-${pid}`, tags, ports, kind = 'linux-process' } = request
  return { kind, name, pid, tags, ports, isolation }
}

/** A process of another network namespace would be named by rules that never see its packets. */
async function assertProcess(pid: number): Promise<ProcessFacts> {
  const [facts, own] = await Promise.all([readProcessFacts(pid), readProcessFacts('self')])
  if (!facts) throw new TriremeError('ERR_PU_UNKNOWN', `pid ${pid}: no such process`)
  if (facts.networkNamespace === own?.networkNamespace) return facts
  throw new RangeError(
    `pid ${pid}: it lives in network namespace ${facts.networkNamespace}, expected the daemon's own, ` +
      `${own?.networkNamespace}: run it there, or ask the daemon of its namespace`,
  )
}

/** The number must still be the same process's, in the cgroup that the rules name. */
async function assertInside(
  cgroups: PUCgroups,
  contextID: string,
  { pid, facts }: { readonly pid: number; readonly facts: ProcessFacts },
): Promise<void> {
  const expected = cgroups.kernelPath(contextID)
  const found = await readCgroupOf(pid, cgroups.mount.version)
  const now = await readProcessFacts(pid)
  if (now?.startTime !== facts.startTime) {
    throw new TriremeError('ERR_PU_UNKNOWN', `pid ${pid}: the process ended while it was activated`)
  }
  if (found === expected && now.networkNamespace === facts.networkNamespace) return
  throw new RangeError(
    `pid ${pid}: it left for cgroup ${found} and network namespace ${now.networkNamespace} while it was activated, expected ${expected} and ${facts.networkNamespace}`,
  )
}
