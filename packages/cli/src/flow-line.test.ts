import { expect, it } from 'vitest'
import { flowJSON } from './flow-json.js'
import { flowLine } from './flow-line.js'
import { sampleFlow } from './testing/sample-flow.js'

it('shows an accepted connection', () => {
  expect(flowLine(flowJSON(sampleFlow()))).toBe(
    '2030-01-02T03:04:05.678Z  accept  10.0.0.1:40000 (client-1 app=frontend) → 10.0.0.2:8080 (server-1 app=web)  web-from-frontend',
  )
})

it('shows rejects that repeat, from a peer without identity over IPv6', () => {
  const source = { id: '', ip: 'fd00::1', port: 1, tags: [] }
  const flow = sampleFlow({ verdict: 'reject', reason: 'policy', rule: 'default deny', source, count: 7 })
  expect(flowLine(flowJSON(flow))).toMatch(
    /reject {2}\[fd00::1\]:1 \(no identity\) → .* {2}policy: default deny {2}×7$/,
  )
})

it('says what is not TCP', () => {
  expect(flowLine(flowJSON(sampleFlow({ protocol: 'udp' })))).toContain('accept  udp 10.0.0.1:40000 (')
})

it('says what only observe mode let pass', () => {
  expect(flowLine(flowJSON(sampleFlow({ observed: true })))).toContain('accept (observed)')
})

it('does not let a peer write to the terminal', () => {
  const source = { ...sampleFlow().source, tags: [{ key: 'app', value: '\u001b[2J\nforged\u202e' }] }
  const line = flowLine(flowJSON(sampleFlow({ source })))
  expect(line).toContain('app=\\u{1b}[2J\\u{a}forged\\u{202e}')
})

it('has tags as key=value in JSON', () => {
  expect(flowJSON(sampleFlow())).toMatchObject({
    source: { id: 'client-1', tags: ['app=frontend'] },
    destination: { tags: ['app=web'] },
  })
})
