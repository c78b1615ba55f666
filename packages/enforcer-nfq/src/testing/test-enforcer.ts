import { type PUPolicy, pskSecrets, type Secrets, type TokenEngine } from '@trireme/core'
import { newTestCollector, testPolicy, testRuntime } from '@trireme/core/testing'
import { hmacTokenEngine } from '../datapath/simulation/hmac-token-engine.js'
import { nfqEnforcer } from '../nfq-enforcer.js'
import type { NfqEnforcer, NfqEnforcerOptions } from '../nfq-enforcer-options.js'
import { type InMemoryPacketQueue, openInMemoryPacketQueue } from '../queue-in-memory.js'
import { NO_CONNECTIONS } from './no-connections.js'
import { OWN_SOCKETS } from './own-sockets.js'

export interface TestEnforcerOptions extends NfqEnforcerOptions {
  /** Where the queues that it opens are gathered, the latest last. */
  readonly queues?: InMemoryPacketQueue[]
  readonly secrets?: Secrets
  readonly tokenEngine?: TokenEngine
}

/** An enforcer of a kernel that has queues in memory, and nothing else. */
export function newTestEnforcer({
  queues = [],
  secrets = pskSecrets({ key: new Uint8Array(32) }),
  tokenEngine = hmacTokenEngine(secrets),
  ...options
}: TestEnforcerOptions = {}): NfqEnforcer {
  return nfqEnforcer({
    readSockets: () => [],
    nameServersOf: () => [],
    openQueue: queueOptions => {
      const queue = openInMemoryPacketQueue(queueOptions)
      queues.push(queue)
      return queue
    },
    openConnections: () => NO_CONNECTIONS,
    openSockets: () => OWN_SOCKETS,
    ...options,
  })({
    serverID: 'host-a',
    tokenEngine,
    secrets,
    collector: newTestCollector(),
    networks: { trireme: ['192.0.2.0/24'], excluded: [] },
  })
}

/** A PU that is a cgroup, with this policy. */
export function testPU(contextID: string, policy: PUPolicy = testPolicy()) {
  return { contextID, runtime: testRuntime(), policy }
}
