import { expect, it } from 'vitest'
import { lineLog } from './log.js'
import { Problems } from './problems.js'

it('logs a problem once and keeps it', () => {
  const lines: string[] = []
  const problems = new Problems(lineLog(line => lines.push(line)))
  const problem = { kind: 'not-enforced', contextID: 'a', error: new Error('no policy') } as const
  problems.add(problem)
  problems.add(problem)
  expect(lines).toHaveLength(1)
  expect(problems.has('not-enforced')).toBe(true)
  expect(problems.has('not-watched')).toBe(false)
  expect(problems.list()).toEqual([
    'PU a: not enforced again; its earlier rules stay, and all rules of ended PUs with them: mend the cause, then restart the daemon (no policy)',
  ])
})

it('forgets the oldest beyond a hundred', () => {
  const problems = new Problems(lineLog(() => {}))
  for (let n = 0; n < 150; n++) problems.add({ kind: 'not-removed', contextID: String(n), error: 'x' })
  expect(problems.list()).toHaveLength(100)
  expect(problems.list()[0]).toMatch(/^PU 50:/)
})

it('keeps what concerns containers until it is over', () => {
  const problems = new Problems(lineLog(() => {}))
  problems.addOfContainers({ kind: 'engine-lost', error: new Error('it went away') })
  problems.addOfContainers({ kind: 'not-enforced', contextID: 'c', error: new Error('no policy') })
  expect(problems.list()).toEqual([
    'Docker: the engine is lost; what is enforced stays so (it went away)',
    'container c: refused, and stopped or cut off (no policy)',
  ])
  // Rules of processes that could not be enforced again are another matter.
  expect(problems.has('not-enforced')).toBe(false)
  problems.addOfContainers({ kind: 'engine-back', error: undefined })
  expect(problems.list()).toHaveLength(1)
})

it('says that an engine is awaited until it is there', () => {
  const problems = new Problems(lineLog(() => {}))
  problems.addOfContainers({ kind: 'engine-awaited', error: new Error('ECONNREFUSED') })
  problems.addOfContainers({ kind: 'engine-awaited', error: new Error('ECONNREFUSED') })
  expect(problems.list()).toEqual([expect.stringMatching(/no engine answers yet; .*ECONNREFUSED/)])
  problems.addOfContainers({ kind: 'engine-back', error: undefined })
  expect(problems.list()).toEqual([])
})

it('shows the last of what other programs did to the rules, and logs all of it', () => {
  const lines: string[] = []
  const problems = new Problems(lineLog(line => lines.push(line)))
  problems.addOfRules({ found: [], error: new Error('no fork') })
  problems.addOfRules({ found: ['IPv4 mangle: no jump from INPUT', 'IPv4 raw: 1 chains changed'] })
  expect(lines).toHaveLength(2)
  expect(lines[0]).toContain('iptables rules: could not be looked at (not put right: no fork)')
  expect(problems.list()).toEqual([
    'iptables rules: changed by another program: IPv4 mangle: no jump from INPUT, IPv4 raw: 1 chains changed (put right)',
  ])
})
