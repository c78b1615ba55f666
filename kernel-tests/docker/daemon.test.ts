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
let echo: string

beforeAll(async () => {
  const namespace = teardown.own(await NetworkNamespace.make('daemon'))
  engine = teardown.own(await DockerEngine.start(namespace))
  const host = { namespace, addresses: { IPv4: '127.0.0.1', IPv6: '::1' } }
  const monitors = { docker: { engine: engine.address } }
  rulesBefore = await rulesSnapshot(namespace)
  web = await engine.run(['--name', 'web', '-l', 'app=web'], ...WEB)
  await engine.run(['--name', 'echo', '-l', 'app=echo'], 'nc', '-ll', '-p', '7', '-e', 'cat')
  echo = await engine.inspect('echo', '{{.NetworkSettings.IPAddress}}')
  await engine.run(['--name', 'early', '-l', 'app=stranger'], ...ticking())
  await eventually('it is connected', async () => (await engine.mustDocker('logs', 'early')).includes('tick'))
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

/** Talks over one connection, as long as there is an answer. */
function ticking(): readonly string[] {
  return ['sh', '-c', `while echo tick; do sleep 0.1; done | nc ${echo} 7`]
}

async function ticks(container: string): Promise<number> {
  return (await engine.mustDocker('logs', container)).split('tick').length
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

  it('lets connections go on that were there before it', async () => {
    const before = await ticks('early')
    await eventually('it goes on', async () => (await ticks('early')) > before + 3)
    await daemon.flowLike(({ reason }) => reason === 'adopted')
  })

  it('ends connections that a container opened before its rules were there', async () => {
    await engine.run(['--name', 'late', '-l', 'app=stranger'], ...ticking())
    await eventually(
      'it is cut off',
      async () => (await engine.inspect('late', '{{.State.Running}}')) === 'false',
    )
  })

  it('leaves the rules of the host as they were', async () => {
    expect(await rulesSnapshot(engine.namespace)).toBe(rulesBefore)
  })

  it('has rules on the host as long as a container lives in its network', async () => {
    const flags = ['--name', 'on-host', '-l', 'app=client', '--network', 'host']
    await engine.run(flags, 'sleep', '600')
    await eventually('it is enforced', async () =>
      (await daemon.status()).pus.some(({ name }) => name === 'on-host'),
    )
    expect(await rulesSnapshot(engine.namespace)).toContain('TRI-')
    expect(await ask('on-host')).toBe('I am web')
    await engine.mustDocker('rm', '-f', 'on-host')
    await eventually(
      'the rules are gone',
      async () => (await rulesSnapshot(engine.namespace)) === rulesBefore,
    )
  })

  it('runs no command, and says why', async () => {
    const argv = [TRIREME, 'run', '--socket', daemon.socket, '--', 'true']
    const { code, stderr } = await engine.namespace.run(argv, { env: daemon.env })
    expect(code).toBe(125)
    expect(stderr).toContain('type linux-process')
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

describe('a daemon for containers and processes', () => {
  it('lets a process in by its identity', async () => {
    await daemon.writeConfig({ monitors: { linux: {}, docker: { engine: engine.address } } })
    await daemon.start()
    const run = async (app: string) => {
      const argv = [TRIREME, 'run', '--socket', daemon.socket, '--label', `app=${app}`, '--']
      const nc = ['busybox', 'nc', '-w', '3', address, String(PORT)]
      return (await engine.namespace.run([...argv, ...nc], { env: daemon.env })).stdout.trim()
    }
    expect(await run('client')).toBe('I am web')
    expect(await run('stranger')).toBe('')
    expect(await ask('client')).toBe('I am web')
  })
})
