import type { FlowRecord } from '@trireme/core'

/** An accepted connection; say what differs. */
export function sampleFlow(change: Partial<FlowRecord> = {}): FlowRecord {
  return {
    time: '2030-01-02T03:04:05.678Z',
    id: '00112233445566778899aabbccddeeff',
    source: { id: 'client-1', ip: '10.0.0.1', port: 40_000, tags: [{ key: 'app', value: 'frontend' }] },
    destination: { id: 'server-1', ip: '10.0.0.2', port: 8080, tags: [{ key: 'app', value: 'web' }] },
    verdict: 'accept',
    reason: '',
    rule: 'web-from-frontend',
    observed: false,
    count: 1,
    ...change,
  }
}
