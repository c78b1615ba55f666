import { DENY_ALL, type PolicyResolver } from '@trireme/core'
import { describe, expect, it } from 'vitest'
import { newPSKTriremeWithLinuxMonitor } from './presets.js'

const resolver: PolicyResolver = { resolvePolicy: () => DENY_ALL, handlePUEvent() {} }
const options = { serverID: 'host-a', resolver, key: Buffer.alloc(32, 7), stateDir: '/nonexistent/state' }

describe('newPSKTriremeWithLinuxMonitor', () => {
  it.each(['binary', 'jwt'] as const)('wires all parts with %s tokens, and starts none', async tokens => {
    const { trireme, monitor, enforcer } = await newPSKTriremeWithLinuxMonitor({ ...options, tokens })
    expect(trireme.serverID).toBe('host-a')
    expect(trireme.supervisor('linux-process')).toBeDefined()
    expect(trireme.supervisor('container')).toBeUndefined()
    expect(monitor.list()).toEqual([])
    expect(() => enforcer.filterQueue()).toThrow(/not started/)
    await monitor.stop()
    await trireme.stop()
  })

  it('refuses a short key and a bad network', async () => {
    await expect(newPSKTriremeWithLinuxMonitor({ ...options, key: Buffer.alloc(15) })).rejects.toMatchObject({
      code: 'ERR_SECRET',
    })
    await expect(newPSKTriremeWithLinuxMonitor({ ...options, networks: ['10.0.0.0/33'] })).rejects.toThrow(
      '10.0.0.0/33',
    )
  })
})
