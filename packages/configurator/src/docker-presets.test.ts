import process from 'node:process'
import { DEFAULT_TRIREME_NETWORKS, DENY_ALL, nullSecrets, type PolicyResolver } from '@trireme/core'
import { afterEach, describe, expect, it } from 'vitest'
import {
  DOCKER_NETWORKS,
  newPKITriremeWithDockerMonitor,
  newPSKHybridTriremeWithMonitor,
  newPSKTriremeWithDockerMonitor,
  newTriremeWithOptions,
} from './index.js'

const resolver: PolicyResolver = { resolvePolicy: () => DENY_ALL, handlePUEvent() {} }
const options = { serverID: 'host-a', resolver, key: Buffer.alloc(32, 7) }

describe('newPSKTriremeWithDockerMonitor', () => {
  it.each([undefined, 'binary', 'jwt'] as const)(
    'wires all parts with tokens %s, and starts none',
    async tokens => {
      const wired = await newPSKTriremeWithDockerMonitor({ ...options, ...(tokens && { tokens }) })
      expect(wired.trireme.supervisor('container')).toBeDefined()
      expect(wired.trireme.supervisor('linux-process')).toBeDefined()
      expect(wired.monitor.list()).toEqual([])
      expect(wired.enforcers).toHaveLength(2)
      expect(() => wired.enforcers[0]!.filterQueue()).toThrow(/not started/)
      await wired.monitor.stop()
      await wired.trireme.stop()
    },
  )

  it('leaves the host alone where it is told to', async () => {
    const { trireme, enforcers } = await newPSKTriremeWithDockerMonitor({ ...options, hostNetwork: false })
    expect(trireme.supervisor('linux-process')).toBeUndefined()
    expect(enforcers).toHaveLength(1)
  })

  it('enforces containers with the host where that is where they are enforced', async () => {
    const local = { ...options, enforcement: 'local' } as const
    const { trireme, enforcers } = await newPSKTriremeWithDockerMonitor(local)
    expect(enforcers).toHaveLength(1)
    expect(trireme.supervisor('container')).toBe(trireme.supervisor('linux-process'))
    const alone = await newPSKTriremeWithDockerMonitor({ ...local, hostNetwork: false })
    expect(alone.enforcers).toHaveLength(1)
    expect(alone.trireme.supervisor('linux-process')).toBeUndefined()
  })

  it('refuses a short key, a bad network and a bad address', async () => {
    const refused = (bad: object) => newPSKTriremeWithDockerMonitor({ ...options, ...bad })
    await expect(refused({ key: Buffer.alloc(15) })).rejects.toMatchObject({ code: 'ERR_SECRET' })
    await expect(refused({ networks: ['10.0.0.0/33'] })).rejects.toThrow('10.0.0.0/33')
    await expect(refused({ engine: 'ssh://host' })).rejects.toMatchObject({ code: 'ERR_CONFIG' })
    await expect(refused({ enforcement: 'there' })).rejects.toThrow('enforcement "there": expected local')
  })
})

describe('the engine of a preset', () => {
  const before = process.env['DOCKER_HOST']
  afterEach(() => {
    if (before === undefined) delete process.env['DOCKER_HOST']
    else process.env['DOCKER_HOST'] = before
  })

  it('is that of DOCKER_HOST, unless it is named', async () => {
    process.env['DOCKER_HOST'] = 'ssh://elsewhere'
    await expect(newPSKTriremeWithDockerMonitor(options)).rejects.toThrow('ssh://elsewhere')
    await newPSKTriremeWithDockerMonitor({ ...options, engine: 'unix:///run/docker.sock' })
  })
})

describe('newPKITriremeWithDockerMonitor', () => {
  it('refuses what is no certificate', async () => {
    const material = { keyPEM: '', certPEM: '', caCertPEM: '' }
    await expect(newPKITriremeWithDockerMonitor({ ...options, ...material })).rejects.toMatchObject({
      code: 'ERR_SECRET',
    })
  })
})

describe('newPSKHybridTriremeWithMonitor', () => {
  it('has both monitors', async () => {
    const wired = await newPSKHybridTriremeWithMonitor({
      ...options,
      linux: { stateDir: '/nonexistent/state' },
    })
    expect(wired.dockerMonitor.list()).toEqual([])
    expect(wired.linuxMonitor.list()).toEqual([])
  })
})

describe('newTriremeWithOptions', () => {
  it('makes the parts that are asked for', async () => {
    const secrets = [nullSecrets({ allow: true })]
    const { dockerMonitor, linuxMonitor, trireme } = await newTriremeWithOptions({
      ...options,
      auth: { secrets },
      monitors: { docker: {} },
    })
    expect(dockerMonitor.list()).toEqual([])
    expect(linuxMonitor).toBeUndefined()
    await trireme.stop()
  })
})

it("knows Docker's own networks, which no default holds", () => {
  expect(DOCKER_NETWORKS.filter(network => DEFAULT_TRIREME_NETWORKS.includes(network))).toEqual([])
})
