import { type Isolation, type ProcessingUnitsHandler, runAll, TriremeError } from '@trireme/core'
import type { ContextStore, StoredContext } from './context-store.js'
import { moveTree } from './move-tree.js'
import type { ProcessExtractor } from './process-extractor.js'
import { type ProcessFacts, readCgroupOf, readProcessFacts } from './process-facts.js'
import type { PUCgroups } from './pu-cgroups.js'
import type { RunRequest } from './run-request.js'

/** What an activation works with. */
export interface ActivationComponents {
  readonly handler: ProcessingUnitsHandler
  readonly store: ContextStore
  readonly cgroups: PUCgroups
  readonly extractor: ProcessExtractor
}

/** A request that has been checked, and what it is about. */
export interface Activation {
  readonly request: RunRequest
  readonly contextID: string
  readonly facts: ProcessFacts
  /** The cgroup that is to become the PU as it is; undefined for one of the PU's own. */
  readonly borrowed: string | undefined
  /** Whether somebody has heard of the PU's `create`, and is to hear of its `destroy`. */
  readonly isCreated: boolean
}

/**
 * Makes a process a PU: known on disk, then enforced, then moved into its cgroup. A failure undoes all of it, the last first.
 */
export async function activate(
  components: ActivationComponents,
  activation: Activation,
): Promise<StoredContext> {
  const context = await describe(components, activation)
  const done: (() => Promise<void>)[] = []
  try {
    for (const step of steps(components, context, activation)) {
      done.unshift(step.undo)
      await step.take()
    }
  } catch (error) {
    await runAll([() => Promise.reject(error), ...done])
  }
  return context
}

async function describe(
  { cgroups, extractor }: ActivationComponents,
  { request, contextID, borrowed }: Activation,
): Promise<StoredContext> {
  const { pid, ports, kind = 'linux-process', discoverPorts = false, networkOnly = false } = request
  const { aliases = [] } = request
  const origin = (await readCgroupOf(pid, cgroups.mount.version)) ?? ''
  const cgroup = [await readCgroupOf(pid, 'systemd'), await readCgroupOf(pid, 'v2')].find(isBelowRoot) ?? '/'
  const { name, tags } = await extractor({ request, cgroup })
  const isolation: Isolation = networkOnly ? { by: 'ports' } : await allot(cgroups, contextID, borrowed)
  return {
    contextID,
    runtime: { kind, name, pid, tags, ports, isolation, ...(aliases.length > 0 && { aliases }) },
    portPlan: { declared: ports, discover: discoverPorts },
    owner: request.owner ?? 0,
    ...(borrowed === undefined ? {} : { borrowed }),
    origin,
  }
}

function isBelowRoot(cgroup: string | undefined): cgroup is string {
  return cgroup !== undefined && cgroup !== '/'
}

async function allot(
  cgroups: PUCgroups,
  contextID: string,
  borrowed: string | undefined,
): Promise<Isolation> {
  if (borrowed !== undefined) cgroups.borrow(contextID, borrowed)
  return cgroups.allot(contextID)
}

/** `undo` leaves nothing of the step behind, whether `take` failed, in part or at all. */
interface Step {
  readonly take: () => Promise<void>
  readonly undo: () => Promise<void>
}

function steps(
  { handler, store, cgroups }: ActivationComponents,
  context: StoredContext,
  { request, facts, isCreated }: Activation,
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
        if (!isCreated) await report('create')
      },
      undo: async () => {
        if (!isCreated) await report('destroy')
      },
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
        if (request.scope === 'tree') await moveTree(cgroups, contextID, request)
        else await cgroups.enter(contextID, request.pid)
        await assertInside(cgroups, context, { pid: request.pid, facts })
      },
      undo: () => cgroups.evacuate(contextID, origin),
    },
  ]
}

/**
 * The facts of a live process of this network namespace: rules would never see the packets of one of another.
 * @throws TriremeError `ERR_PU_UNKNOWN`, RangeError.
 */
export async function requireProcess(pid: number): Promise<ProcessFacts> {
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
  { contextID }: StoredContext,
  { pid, facts }: { readonly pid: number; readonly facts: ProcessFacts },
): Promise<void> {
  const expected = cgroups.kernelPath(contextID)
  const found = await readCgroupOf(pid, cgroups.mount.version)
  const now = await readProcessFacts(pid)
  if (now?.startTime !== facts.startTime) {
    throw new TriremeError('ERR_PU_UNKNOWN', `pid ${pid}: the process ended while it was activated`)
  }
  const isInside = found === expected || found?.startsWith(`${expected}/`)
  if (isInside && now.networkNamespace === facts.networkNamespace) return
  throw new RangeError(
    `pid ${pid}: it left for cgroup ${found} and network namespace ${now.networkNamespace} while it was activated, expected ${expected} and ${facts.networkNamespace}`,
  )
}
