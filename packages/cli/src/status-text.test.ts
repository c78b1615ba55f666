import { expect, it } from 'vitest'
import type { StatusReport } from './status-report.js'
import { statusText } from './status-text.js'

const REPORT: StatusReport = {
  serverID: 'host-a',
  version: '1.2.3',
  mode: 'psk',
  keyID: '0123456789abcdef',
  accepts: [],
  tokens: 'binary',
  authorization: 'mutual',
  policy: {
    file: '/etc/trireme/policy.yaml',
    digest: 'fedcba9876543210',
    rules: 3,
    since: '2026-01-01T00:00:00.000Z',
  },
  bind: 'strict',
  pus: [],
  counters: {},
  kernel: { takesConnectionMarks: false },
  refusals: [],
  problems: [],
}

const DAEMON = [
  'daemon',
  '  host-a is ready: trireme 1.2.3, mode psk (key ID 0123456789abcdef), tokens binary, authorization mutual',
  '  policy /etc/trireme/policy.yaml: 3 rules, digest fedcba9876543210, in force since 2026-01-01T00:00:00.000Z',
  '  note: any holder of the pre-shared key can claim any identity',
  '',
]

it('shows a daemon without PUs', () => {
  expect(statusText(REPORT).split('\n')).toEqual([
    ...DAEMON,
    'PUs: none',
    '',
    'counters',
    '  flows: none yet',
    '',
  ])
})

it('shows what is accepted besides, and what that means', () => {
  const notes = (report: Partial<StatusReport>) =>
    statusText({ ...REPORT, ...report })
      .split('\n')
      .filter(line => line.startsWith('  note: '))
  const ofPSK = '  note: any holder of the pre-shared key can claim any identity'
  expect(notes({ mode: 'pki', accepts: ['psk'] })).toEqual([ofPSK])
  expect(statusText({ ...REPORT, mode: 'pki', accepts: ['psk'] })).toContain('accepts psk')
  expect(notes({ mode: 'pki' })).toEqual([])
  expect(notes({ mode: 'pki', bind: 'off' })).toEqual([
    '  note: bind is off: a host that a client can be made to dial may speak in its name',
  ])
  expect(notes({ mode: 'null' })).toEqual(['  note: nobody is authenticated: anyone can claim any identity'])
})

const PU = { id: 'abcdef012345', kind: 'linux-process', mode: 'enforce', counters: {} } as const
const FULL: StatusReport = {
  ...REPORT,
  counters: { accept: 3, reject: 0, 'no PU drop.format': 2 },
  queue: { waiting: 0, dropped: 5 },
  problems: ['PU x: lost\nits way'],
  pus: [
    { ...PU, name: 'web', pid: 42, tags: ['app=web', 'env=prod', '@sys:uid=0'], ports: ['80', '8000-8100'] },
    {
      ...PU,
      name: 'a-long-name',
      tags: [],
      ports: [],
      queue: { waiting: 1, dropped: 0 },
      counters: { accepted: 3 },
    },
  ],
}

it('shows PUs in columns, what was counted, and problems, each in a section', () => {
  expect(statusText(FULL).split('\n')).toEqual([
    ...DAEMON,
    'PUs: 2',
    '  ID            NAME         KIND           PID  MODE     PORTS         TAGS',
    '  abcdef012345  web          linux-process  42   enforce  80 8000-8100  app=web env=prod',
    '  abcdef012345  a-long-name  linux-process  -    enforce  -             -',
    '',
    'counters',
    '  flows: accept 3, no PU drop.format 2',
    "  queue of all PUs on the host's network: 0 waiting, 5 dropped",
    '  PU abcdef012345 (a-long-name): 1 waiting, 0 dropped; accepted 3',
    '',
    'problems',
    '  PU x: lost\\u{a}its way',
    '',
  ])
})

it('cuts tags to the width of the terminal', () => {
  const lines = statusText(FULL, 78).split('\n')
  expect(lines.find(line => line.includes(' web '))).toBe(
    '  abcdef012345  web          linux-process  42   enforce  80 8000-8100  app=w…',
  )
})

it('shows who is refused again and again, the most frequent ten', () => {
  const refusal = {
    contextID: 'abcdef012345',
    address: '10.0.0.9',
    first: '',
    last: '2026-01-01T00:00:00.000Z',
  }
  const text = statusText({
    ...REPORT,
    refusals: [
      { ...refusal, role: 'client', issuer: '', reason: 'unanswered', count: 40 },
      { ...refusal, role: 'server', issuer: 'host-b', reason: 'policy', count: 7 },
      ...Array.from(
        { length: 11 },
        () => ({ ...refusal, role: 'server', issuer: '', reason: 'token', count: 2 }) as const,
      ),
      { ...refusal, role: 'server', issuer: '', reason: 'mac', count: 1 },
    ],
  })
  expect(text).toContain(
    '  PU abcdef012345 → 10.0.0.9: unanswered, 40 times, last at 2026-01-01T00:00:00.000Z\n' +
      '  10.0.0.9 → PU abcdef012345 (host-b): policy, 7 times, last at 2026-01-01T00:00:00.000Z\n',
  )
  expect(text).toContain('and 3 more: trireme status --json')
  expect(text).not.toContain(': mac')
})
