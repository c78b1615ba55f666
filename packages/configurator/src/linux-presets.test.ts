import { generateKeyPairSync } from 'node:crypto'
import { DENY_ALL, nullSecrets, type PolicyResolver, pskSecrets } from '@trireme/core'
import { describe, expect, it } from 'vitest'
import {
  newPKITriremeWithLinuxMonitor,
  newPSKTriremeWithLinuxMonitor,
  newTriremeWithLinuxMonitor,
} from './linux-presets.js'

const resolver: PolicyResolver = { resolvePolicy: () => DENY_ALL, handlePUEvent() {} }
const options = { serverID: 'host-a', resolver, key: Buffer.alloc(32, 7), stateDir: '/nonexistent/state' }

describe('newPSKTriremeWithLinuxMonitor', () => {
  it.each(['binary', 'jwt'] as const)('wires all parts with %s tokens, and starts none', async tokens => {
    const { trireme, monitor, enforcers } = await newPSKTriremeWithLinuxMonitor({ ...options, tokens })
    expect(trireme.serverID).toBe('host-a')
    expect(trireme.supervisor('linux-process')).toBeDefined()
    expect(trireme.supervisor('container')).toBeUndefined()
    expect(monitor.list()).toEqual([])
    expect(() => enforcers[0]!.filterQueue()).toThrow(/not started/)
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

describe('newTriremeWithLinuxMonitor', () => {
  const psk = (fill: number) => pskSecrets({ key: Buffer.alloc(32, fill) })

  it('takes several secrets, and others while it runs', async () => {
    const { updateSecrets, trireme } = await newTriremeWithLinuxMonitor({
      ...options,
      secrets: [psk(1)],
    })
    await updateSecrets([psk(2)])
    await expect(updateSecrets([psk(2), psk(3)])).rejects.toMatchObject({ code: 'ERR_SECRET' })
    await expect(updateSecrets([])).rejects.toMatchObject({ code: 'ERR_SECRET' })
    await trireme.stop()
  })

  it('refuses null beside another, and nothing at all', async () => {
    const secrets = [psk(1), nullSecrets({ allow: true })]
    await expect(newTriremeWithLinuxMonitor({ ...options, secrets })).rejects.toThrow('null beside another')
    await expect(newTriremeWithLinuxMonitor({ ...options, secrets: [] })).rejects.toThrow(
      'secrets: an empty list',
    )
  })
})

describe('newPKITriremeWithLinuxMonitor', () => {
  it('refuses what is no certificate', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const keyPEM = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
    const material = { keyPEM, certPEM: keyPEM, caCertPEM: keyPEM }
    for (const certificates of ['on-the-wire', 'handed-out'] as const) {
      const made = newPKITriremeWithLinuxMonitor({ ...options, ...material, certificates })
      await expect(made).rejects.toMatchObject({ code: 'ERR_SECRET' })
    }
  })
})
