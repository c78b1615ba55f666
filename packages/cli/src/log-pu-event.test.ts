import { expect, it } from 'vitest'
import type { Log } from './log.js'
import { logPUEvent } from './log-pu-event.js'

it('one line for an event, as a warning where it failed, and one for each warning', () => {
  const lines: string[] = []
  const entry = (level: string) => (message: string) => void lines.push(`${level}: ${message}`)
  const log: Log = { info: entry('info'), warn: entry('warn'), error: entry('error') }
  const record = { time: '2030-01-01T00:00:00.000Z', contextID: 'web', tags: [{ key: 'app', value: 'web' }] }
  logPUEvent(log, { ...record, event: 'start', warnings: ['rule a: a prefix', 'rule b: a prefix'] })
  logPUEvent(log, { ...record, event: 'forcestop', reason: 'no policy' })
  expect(lines).toEqual([
    'info: PU web start app=web',
    'warn: PU web: rule a: a prefix',
    'warn: PU web: rule b: a prefix',
    'warn: PU web forcestop app=web: no policy',
  ])
})
