import { expect, it } from 'vitest'
import { limited, lineLog } from './log.js'

it('writes one line an entry, whatever the message', () => {
  const lines: string[] = []
  const log = lineLog(
    line => lines.push(line),
    () => new Date(0),
  )
  log.info('ready')
  log.warn('a\nb\u001b[0m')
  expect(lines).toEqual([
    '1970-01-01T00:00:00.000Z info ready\n',
    '1970-01-01T00:00:00.000Z warn a\\u{a}b\\u{1b}[0m\n',
  ])
})

it('passes ten calls a second', () => {
  let now = 5000
  const passed: number[] = []
  const listener = limited<number>(
    n => passed.push(n),
    () => now,
  )
  for (let n = 0; n < 30; n++) listener(n)
  now = 6000
  listener(99)
  expect(passed).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 99])
})
