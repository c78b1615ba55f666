import type { FlowRecord, PURecord } from '../flow.js'
import { QUEUE_BLOCK_SIZE } from '../marks.js'
import type {
  Enforcer,
  EventCollector,
  Isolator,
  Monitor,
  PolicyResolver,
  PolicyUpdater,
  ProcessingUnitsHandler,
  PublicKeyAdder,
  Secrets,
  Supervisor,
  SynchronizationHandler,
} from '../plugin.js'
import { pskSecrets } from '../secrets/psk.js'
import { testPolicy } from './sample-data.js'
import { newTestDouble, type TestDouble } from './test-double.js'

/** Answers every PU with `testPolicy()`. */
export function newTestPolicyResolver(): TestDouble<PolicyResolver> {
  return newTestDouble<PolicyResolver>({
    resolvePolicy: () => testPolicy(),
    handlePUEvent() {},
  })
}

export function newTestPolicyUpdater(): TestDouble<PolicyUpdater> {
  return newTestDouble<PolicyUpdater>({ async updatePolicy() {} })
}

export function newTestMonitor(): TestDouble<Monitor> {
  return newTestDouble<Monitor>({ async start() {}, async stop() {} })
}

export function newTestProcessingUnitsHandler(): TestDouble<ProcessingUnitsHandler> {
  return newTestDouble<ProcessingUnitsHandler>({ setPURuntime() {}, async handlePUEvent() {} })
}

export function newTestSynchronizationHandler(): TestDouble<SynchronizationHandler> {
  return newTestDouble<SynchronizationHandler>({
    async handleSynchronization() {},
    handleSynchronizationComplete() {},
  })
}

/** Gives each PU a queue of its own, the same for as long as it is enforced; counts nothing. */
export function newTestEnforcer(): TestDouble<Enforcer> {
  const queues = new Map<string, number>()
  let nextQueue = QUEUE_BLOCK_SIZE + 1
  return newTestDouble<Enforcer>({
    async start() {},
    async stop() {},
    filterQueue: () => ({ flowQueue: QUEUE_BLOCK_SIZE, commands: { key: 1, epoch: 0 } }),
    async enforce({ contextID }) {
      const queueNumber = queues.get(contextID) ?? nextQueue++
      queues.set(contextID, queueNumber)
      return { queueNumber, epoch: 0 }
    },
    async setTargetNetworks() {},
    async unenforce(contextID) {
      queues.delete(contextID)
    },
    counters: () => ({}),
    async updateSecrets() {},
  })
}

export function newTestSupervisor(): TestDouble<Supervisor> {
  return newTestDouble<Supervisor>({
    async start() {},
    async stop() {},
    async supervise() {},
    async unsupervise() {},
    async setTargetNetworks() {},
    async reconcile() {},
    async uninstall() {},
  })
}

/** A pair of doubles. */
export interface TestIsolator extends Isolator {
  readonly enforcer: TestDouble<Enforcer>
  readonly supervisor: TestDouble<Supervisor>
}

export function newTestIsolator(): TestIsolator {
  return { enforcer: newTestEnforcer(), supervisor: newTestSupervisor() }
}

/** A collector that keeps what it gets, in order. */
export type TestCollector = TestDouble<EventCollector> & {
  readonly flowRecords: readonly FlowRecord[]
  readonly puRecords: readonly PURecord[]
}

export function newTestCollector(): TestCollector {
  const flowRecords: FlowRecord[] = []
  const puRecords: PURecord[] = []
  const double = newTestDouble<EventCollector>({
    collectFlowEvent: record => void flowRecords.push(record),
    collectPUEvent: record => void puRecords.push(record),
  })
  return { ...double, flowRecords, puRecords }
}

/** Pre-shared-key secrets with a key that everybody can read here. */
export function newTestSecrets(): TestDouble<Secrets> {
  const secrets = pskSecrets({ key: new Uint8Array(32).fill(7) })
  return newTestDouble<Secrets>({
    mode: secrets.mode,
    signer: use => secrets.signer(use),
    verifier: use => secrets.verifier(use),
    sessionSecret: keyID => secrets.sessionSecret(keyID),
    onChange: listener => secrets.onChange(listener),
  })
}

export function newTestPublicKeyAdder(): TestDouble<PublicKeyAdder> {
  return newTestDouble<PublicKeyAdder>({ publicKeyAdd() {}, publicKeyRemove() {} })
}
