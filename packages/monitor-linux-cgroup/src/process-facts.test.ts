import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { findCgroup, readProcessFacts } from './process-facts.js'

describe('readProcessFacts', () => {
  it('tells two processes apart', async () => {
    const child = spawn('sleep', ['60'])
    try {
      const [own, other] = [await readProcessFacts('self'), await readProcessFacts(child.pid!)]
      expect(own?.networkNamespace).toMatch(/^net:\[\d+\]$/)
      expect(other?.networkNamespace).toBe(own?.networkNamespace)
      expect(Number(other?.startTime)).toBeGreaterThan(Number(own?.startTime))
    } finally {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    expect(await readProcessFacts(child.pid!)).toBeUndefined()
  })
})

describe('findCgroup', () => {
  const text = '9:name=systemd:/\n8:net_cls,net_prio:/trireme-a/b\n0::/user.slice/a:b\n'

  it.each([
    ['v2', '/user.slice/a:b'],
    ['net-cls', '/trireme-a/b'],
  ] as const)('finds the line of %s', (version, path) => {
    expect(findCgroup(text, version)).toBe(path)
  })

  it('finds nothing in a host without it', () => {
    expect(findCgroup('0::/\n', 'net-cls')).toBeUndefined()
  })
})
