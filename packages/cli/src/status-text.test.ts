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
  problems: [],
}

it('shows a daemon without PUs', () => {
  expect(statusText(REPORT)).toBe(
    [
      'host-a is ready: trireme 1.2.3, mode psk (key ID 0123456789abcdef), tokens binary, authorization mutual',
      'note: any holder of the pre-shared key can claim any identity',
      'flows: none yet',
      'no PUs',
      '',
    ].join('\n'),
  )
})

it('shows what is accepted besides, and what that means', () => {
  const notes = (report: Partial<StatusReport>) =>
    statusText({ ...REPORT, ...report })
      .split('\n')
      .slice(0, 2)
  expect(notes({ mode: 'pki', accepts: ['psk'] })).toEqual([
    'host-a is ready: trireme 1.2.3, mode pki (key ID 0123456789abcdef; accepts psk), tokens binary, authorization mutual',
    'note: any holder of the pre-shared key can claim any identity',
  ])
  expect(notes({ mode: 'pki' })[1]).toBe('flows: none yet')
  expect(notes({ mode: 'pki', bind: 'off' })[1]).toBe(
    'note: bind is off: a host that a client can be made to dial may speak in its name',
  )
  expect(notes({ mode: 'null' })[1]).toBe('note: nobody is authenticated: anyone can claim any identity')
})

it('shows PUs in columns, and problems', () => {
  const pu = { id: 'abcdef012345', kind: 'linux-process', mode: 'enforce', counters: {} } as const
  const text = statusText({
    ...REPORT,
    counters: { accept: 3, reject: 0, 'no PU drop.format': 2 },
    queue: { waiting: 0, dropped: 5 },
    problems: ['PU x: lost\nits way'],
    pus: [
      { ...pu, name: 'web', pid: 42, tags: ['app=web', 'env=prod'], ports: ['80', '8000-8100'] },
      {
        ...pu,
        name: 'a-long-name',
        tags: [],
        ports: [],
        queue: { waiting: 1, dropped: 0 },
        counters: { accepted: 3 },
      },
    ],
  })
  expect(text.split('\n').slice(2)).toEqual([
    'problem: PU x: lost\\u{a}its way',
    'flows: accept 3, no PU drop.format 2',
    "queue of all PUs on the host's network: 0 waiting, 5 dropped",
    'ID            NAME         KIND           PID  MODE     TAGS              PORTS         QUEUE                 COUNTERS',
    'abcdef012345  web          linux-process  42   enforce  app=web env=prod  80 8000-8100  -                     -',
    'abcdef012345  a-long-name  linux-process  -    enforce  -                 -             1 waiting, 0 dropped  accepted 3',
    '',
  ])
})
