import type { FlowRecord } from '../flow.js'
import { DENY_ALL, type PUPolicy } from '../policy.js'
import type { PURuntime } from '../pu.js'

/** A Linux process `web` on port 8080, but for what is said otherwise. */
export function testRuntime(differences: Partial<PURuntime> = {}): PURuntime {
  return {
    kind: 'linux-process',
    name: 'web',
    tags: [{ key: 'app', value: 'web' }],
    ports: [{ first: 8080, last: 8080 }],
    isolation: { by: 'cgroup-path', path: 'trireme/web' },
    ...differences,
  }
}

/** A policy of `app=web` that lets `app=frontend` in, but for what is said otherwise. */
export function testPolicy(differences: Partial<PUPolicy> = {}): PUPolicy {
  return {
    ...DENY_ALL,
    managementID: 'web',
    identity: [{ key: 'app', value: 'web' }],
    annotations: [{ key: 'team', value: 'shop' }],
    receiverRules: [
      {
        name: 'web-from-frontend',
        clauses: [{ key: 'app', operator: '=', values: ['frontend'] }],
        action: 'accept',
      },
    ],
    ...differences,
  }
}

/** A rejected connection from `batch` to `web`, but for what is said otherwise. */
export function testFlowRecord(differences: Partial<FlowRecord> = {}): FlowRecord {
  return {
    time: '2030-01-01T00:00:00.000Z',
    id: '000102030405060708090a0b0c0d0e0f',
    source: { id: 'batch', ip: '127.0.0.1', port: 40_000, tags: [{ key: 'app', value: 'batch' }] },
    destination: { id: 'web', ip: '127.0.0.1', port: 8080, tags: [{ key: 'app', value: 'web' }] },
    verdict: 'reject',
    reason: 'policy',
    rule: 'default deny (nearest rule web-from-frontend: lacks app=frontend)',
    observed: false,
    count: 1,
    ...differences,
  }
}
