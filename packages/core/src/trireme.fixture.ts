import type { PUInfo } from './plugin.js'
import { manualClock } from './testing/manual-clock.js'
import { newTestCollector, newTestIsolator, newTestPolicyResolver } from './testing/plugin-doubles.js'
import { testPolicy, testRuntime } from './testing/sample-data.js'
import { newTrireme } from './trireme.js'

/** The policy that the tests resolve, by its name, and the one that they push. */
export const RESOLVED = testPolicy({ managementID: 'resolved' })
export const PUSHED = testPolicy({ managementID: 'pushed' })
export const ALLOW_ALL = testPolicy({ managementID: 'open', action: 'allow-all' })

/**
 * An orchestrator among doubles that write every step into one `log` and fail in the steps that `faults` name. A step with a
 * policy ends with its management ID: `enforce resolved`, `unenforce`.
 */
export function newStage() {
  const log: string[] = []
  const faults = new Set<string>()
  const step = (name: string) => {
    log.push(name)
    if (faults.has(name)) throw new Error(`${name} failed`)
  }
  const resolver = newTestPolicyResolver()
  resolver.mockHandlePUEvent((_, event) => step(`hear ${event}`))
  resolver.mockResolvePolicy(async () => {
    step('resolve')
    return RESOLVED
  })
  const collector = newTestCollector()
  const clock = manualClock()
  const isolators = { 'linux-process': logged(step) }
  const trireme = newTrireme({ serverID: 'host-a', resolver, isolators, collector, clock })
  trireme.setPURuntime('web', testRuntime())
  const events = () => collector.puRecords.map(({ event }) => event)
  /** What was logged since the last call. */
  const steps = () => log.splice(0)
  return { trireme, resolver, collector, isolator: isolators['linux-process'], clock, faults, events, steps }
}

export type Stage = ReturnType<typeof newStage>

/** A stage whose trireme has started. */
export async function newStartedStage(): Promise<Stage> {
  const stage = newStage()
  await stage.trireme.start()
  stage.steps()
  return stage
}

/** A stage on which the PU `web` runs. */
export async function newRunningStage(): Promise<Stage> {
  const stage = await newStartedStage()
  await stage.trireme.handlePUEvent('web', 'start')
  stage.steps()
  return stage
}

/** A pair of doubles each of whose steps is logged, and takes a while. */
function logged(step: (name: string) => void) {
  const { enforcer, supervisor } = newTestIsolator()
  const later = async (name: string) => {
    await new Promise(resolve => setImmediate(resolve))
    step(name)
  }
  const policyOf = (pu: PUInfo) => pu.policy.managementID
  enforcer.mockStart(() => later('start enforcer'))
  enforcer.mockStop(() => later('stop enforcer'))
  enforcer.mockEnforce(async pu => {
    await later(`enforce ${policyOf(pu)}`)
    return { queueNumber: 4097, epoch: 0 }
  })
  enforcer.mockUnenforce(() => later('unenforce'))
  supervisor.mockStart(() => later('start supervisor'))
  supervisor.mockStop(() => later('stop supervisor'))
  supervisor.mockSupervise(pu => later(`supervise ${policyOf(pu)}`))
  supervisor.mockUnsupervise(() => later('unsupervise'))
  supervisor.mockReconcile(() => later('reconcile'))
  return { enforcer, supervisor }
}
