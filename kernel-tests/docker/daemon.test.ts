import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TRIREME } from '../harness/checkout.js'
import { Daemon } from '../harness/daemon.js'
import { eventually } from '../harness/eventually.js'
import { NetworkNamespace } from '../harness/network-namespace.js'
import { rulesSnapshot } from '../harness/rules-snapshot.js'
import { Teardown } from '../harness/teardown.js'
import { DockerEngine } from './docker-engine.js'

const PORT = 8080
const POLICY = {
  default: 'deny',
  rules: [{ name: 'web-from-client', from: { app: 'client' }, to: { app: 'web' }, action: 'allow' }],
}
const WEB = ['nc', '-ll', '-p', String(PORT), '-e', 'echo', 'I am web']

const teardown = new Teardown()
let engine: DockerEngine
let daemon: Daemon
let rulesBefore: string
let web: string
let address: string

beforeAll(async () => {
  const namespace = teardown.own(await NetworkNamespace.make('daemon'))
  engine = teardown.own(await DockerEngine.start(namespace))
  const host = { namespace, addresses: { IPv4: '127.0.0.1', IPv6: '::1' } }
  const monitors = { docker: { engine: engine.address } }
  rulesBefore = await rulesSnapshot(namespace)
  web = await engine.run(['--name', 'web', '-l', 'app=web'], ...WEB)
  daemon = teardown.own(await Daemon.start(host, { policy: POLICY, config: { monitors } }))
  address = await engine.inspect(web, '{{.NetworkSettings.IPAddress}}')
})
afterAll(() => teardown.run())

async function client(app: string): Promise<string> {
  const id = await engine.run(['--name', app, '-l', `app=${app}`], 'sleep', '600')
  await eventually(`${app} is enforced`, async () =>
    (await daemon.status()).pus.some(({ name }) => name === app),
  )
  return id
}

async function ask(container: string): Promise<string> {
  const argv = ['timeout', '5', 'nc', '-w', '3', address, String(PORT)]
  return (await engine.docker('exec', container, ...argv)).stdout.trim()
}

/** The rules in a container's network namespace. */
async function rulesIn(container: string): Promise<string> {
  const saved = ['nsenter', `--net=/proc/${await engine.pidOf(container)}/ns/net`, 'iptables-save']
  return (await engine.namespace.run(saved, { env: daemon.env })).stdout
}

describe('a daemon for containers', () => {
  it('enforces what ran before it and what comes, by labels', async () => {
    await client('client')
    await client('stranger')
    expect(await ask('client')).toBe('I am web')
    expect(await ask('stranger')).toBe('')
    await daemon.flowLike(({ verdict, reason }) => verdict === 'reject' && reason === 'policy')
  })

  it('leaves the rules of the host as they were', async () => {
    expect(await rulesSnapshot(engine.namespace)).toBe(rulesBefore)
  })

  it('runs no command, and says why', async () => {
    const argv = [TRIREME, 'run', '--socket', daemon.socket, '--', 'true']
    const { code, stderr } = await engine.namespace.run(argv, { env: daemon.env })
    expect(code).toBe(125)
    expect(stderr).toContain('monitors: { linux: {} }')
  })

  it('may be gone for a while: nothing new passes, and then it does again', async () => {
    await daemon.crash()
    expect(await ask('client')).toBe('')
    await daemon.start()
    expect(await ask('client')).toBe('I am web')
    expect(await ask('stranger')).toBe('')
  })

  it('takes its rules out of containers when it is uninstalled', async () => {
    expect(await rulesIn('web')).toContain('TRI-')
    await daemon.command('uninstall')
    for (const name of ['web', 'client', 'stranger']) expect(await rulesIn(name)).not.toContain('TRI-')
    expect(await ask('stranger')).toBe('I am web')
    expect(await engine.inspect(web, '{{.State.Running}}')).toBe('true')
  })

  it('has its rules taken out of containers after a crash, too', async () => {
    await daemon.start()
    await daemon.crash()
    expect(await rulesIn('web')).toContain('TRI-')
    expect(await daemon.uninstall()).toMatchObject({ code: 0, stderr: '' })
    expect(await rulesIn('web')).not.toContain('TRI-')
  })
})
