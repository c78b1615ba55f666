import { assertMethods, assertObject, assertWord } from './check-arguments.js'
import { TriremeError } from './errors.js'
import type { Enforcer, EventCollector, PolicyResolver, Supervisor } from './plugin.js'
import type { PUEvent, PUKind, PURuntime } from './pu.js'

const PU_KINDS: readonly PUKind[] = ['container', 'linux-process', 'user-session']

export const PU_EVENTS: readonly PUEvent[] = ['create', 'start', 'stop', 'pause', 'unpause', 'destroy']

const RESOLVER: readonly (keyof PolicyResolver)[] = ['resolvePolicy', 'handlePUEvent']
const COLLECTOR: readonly (keyof EventCollector)[] = ['collectFlowEvent', 'collectPUEvent']
const ENFORCER: readonly (keyof Enforcer)[] = [
  ...(['start', 'stop', 'filterQueue', 'enforce', 'unenforce', 'setTargetNetworks', 'counters'] as const),
]
const SUPERVISOR: readonly (keyof Supervisor)[] = [
  ...(['start', 'stop', 'supervise', 'unsupervise', 'setTargetNetworks', 'reconcile', 'uninstall'] as const),
]

/**
 * Passes what a node is known by and asks for its policies.
 * @throws TypeError naming the option, its value and what was expected; TriremeError `ERR_CONFIG` for an empty `serverID`.
 */
export function checkNodeOptions(options: unknown): void {
  assertObject('options', options)
  const { serverID, resolver, collector } = options as Readonly<Record<string, unknown>>
  if (serverID === '') throw new TriremeError('ERR_CONFIG', 'serverID "": expected a name that is not empty')
  if (typeof serverID !== 'string') throw new TypeError(`serverID ${String(serverID)}: expected a name`)
  assertMethods('resolver', resolver, RESOLVER)
  if (collector !== undefined) assertMethods('collector', collector, COLLECTOR)
}

/** @throws as `checkNodeOptions` does. */
export function checkTriremeOptions(options: unknown): void {
  checkNodeOptions(options)
  const { isolators, clock } = options as Readonly<Record<string, unknown>>
  assertObject('isolators', isolators)
  for (const [kind, isolator] of Object.entries(isolators)) {
    assertWord('isolators: PU kind', kind, PU_KINDS)
    if (isolator === undefined) continue
    assertObject(`isolators.${kind}`, isolator)
    const { enforcer, supervisor } = isolator as Readonly<Record<string, unknown>>
    assertMethods(`isolators.${kind}.enforcer`, enforcer, ENFORCER)
    assertMethods(`isolators.${kind}.supervisor`, supervisor, SUPERVISOR)
  }
  if (clock !== undefined) assertMethods('clock', clock, ['now'])
}

/** @throws TypeError for what is no description of a PU. */
export function checkRuntime(runtime: PURuntime): void {
  assertObject('runtime', runtime)
  assertWord('runtime.kind', runtime.kind, PU_KINDS)
  for (const name of ['tags', 'ports'] as const) {
    if (!Array.isArray(runtime[name]))
      throw new TypeError(`runtime.${name} ${String(runtime[name])}: expected an array`)
  }
}
