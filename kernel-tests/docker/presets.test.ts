import {
  type DockerTrireme,
  newCompactPKIWithDocker,
  newPKITriremeWithDockerMonitor,
} from '@trireme/configurator'
import { type AuthMode, noCollector } from '@trireme/core'
import { parsePolicy, policyFileResolver } from '@trireme/policy-file'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../harness/eventually.js'
import { NetworkNamespace } from '../harness/network-namespace.js'
import { Teardown } from '../harness/teardown.js'
import { newTrustMaterial, SERVER_IDS } from '../identity/trust-material.js'
import { DockerEngine } from './docker-engine.js'

const PORT = 8080
const POLICY = {
  default: 'deny',
  rules: [{ name: 'web-from-client', from: { app: 'client' }, to: { app: 'web' }, action: 'allow' }],
}
const serverID = SERVER_IDS.client

const machine = new Teardown()
let engine: DockerEngine

beforeAll(async () => {
  const namespace = machine.own(await NetworkNamespace.make('presets'))
  engine = machine.own(await DockerEngine.start(namespace))
})
afterAll(() => machine.run())

/** The preset of a mode, over this engine alone: this process is not in the engine's network. */
async function preset(mode: AuthMode): Promise<DockerTrireme> {
  const document = parsePolicy(JSON.stringify(POLICY), 'policy')
  const resolver = policyFileResolver({ document, authorization: 'mutual', serverID })
  const options = { serverID, resolver, engine: engine.address, hostNetwork: false, collector: noCollector }
  const { client, server, caCertPEM = '' } = await newTrustMaterial(mode, Date.now())
  const { keyPEM, certPEM = '', statementPEM = '' } = client!
  if (mode === 'compact-pki') {
    return newCompactPKIWithDocker({ ...options, keyPEM, statementPEM, caCertPEM })
  }
  const certificates = mode === 'pki' ? 'on-the-wire' : 'handed-out'
  const wired = await newPKITriremeWithDockerMonitor({
    ...options,
    ...{ keyPEM, certPEM, caCertPEM, certificates },
  })
  wired.publicKeyAdder.publicKeyAdd(SERVER_IDS.server, server!.certPEM!)
  return wired
}

describe.each(['pki', 'pki-prepopulated', 'compact-pki'] as const)('containers with %s', mode => {
  const teardown = new Teardown()

  afterAll(() => teardown.run())

  it('are let in by their labels, and others are not', async () => {
    const { trireme, monitor } = await preset(mode)
    teardown.add(() => trireme.stop())
    await trireme.start()
    teardown.add(() => monitor.stop())
    await monitor.start()
    await trireme.reconcile()
    const ids: string[] = []
    teardown.add(async () => void (await engine.docker('rm', '-f', ...ids)))
    for (const app of ['web', 'client', 'stranger']) {
      const command = ['nc', '-ll', '-p', String(PORT), '-e', 'echo', `I am ${app}`]
      ids.push(await engine.run(['-l', `app=${app}`], ...command))
    }
    await eventually('all are enforced', () => monitor.list().length === ids.length)
    const [web = '', client = '', stranger = ''] = ids
    const address = await engine.inspect(web, '{{.NetworkSettings.IPAddress}}')
    const ask = async (from: string) =>
      (await engine.docker('exec', from, 'nc', '-w', '3', address, String(PORT))).stdout.trim()
    expect(await ask(client)).toBe('I am web')
    expect(await ask(stranger)).toBe('')
  })
})
