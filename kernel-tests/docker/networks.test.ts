import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeTwoHosts, type TwoHosts } from '../harness/hosts.js'
import { Teardown } from '../harness/teardown.js'
import { DockerEngine } from './docker-engine.js'
import { Protection } from './protection.js'

const PORT = 8080
const HOST_PORT = 9090
const POLICY = {
  default: 'deny',
  rules: [{ name: 'web-from-client', from: { app: 'client' }, to: { app: 'web' }, action: 'allow' }],
}
const WEB = ['nc', '-ll', '-p', String(PORT), '-e', 'echo', 'I am web']

describe.each(['remote', 'local'] as const)('with enforcement %s', enforcement => {
  const teardown = new Teardown()
  let hosts: TwoHosts
  let a: DockerEngine
  let b: DockerEngine
  const protections = new Map<DockerEngine, Protection>()

  beforeAll(async () => {
    hosts = teardown.own(await makeTwoHosts())
    a = teardown.own(await DockerEngine.start(hosts.a.namespace))
    b = teardown.own(await DockerEngine.start(hosts.b.namespace))
    for (const engine of [a, b]) {
      const protection = await Protection.start(engine, {
        ...{ policy: POLICY, hostNetwork: true, monitor: { enforcement } },
      })
      protections.set(engine, teardown.own(protection))
    }
  })
  afterAll(() => teardown.run())

  async function start(engine: DockerEngine, flags: readonly string[], ...command: readonly string[]) {
    const id = await engine.run(flags, ...command)
    await protections.get(engine)!.until(id, 'start')
    return id
  }

  const idle = ['sleep', '600']

  /** What the container gets from a server, the empty text where it is refused. */
  async function ask(engine: DockerEngine, container: string, address: string, port = PORT): Promise<string> {
    const { stdout } = await engine.docker('exec', container, 'nc', '-w', '3', address, String(port))
    return stdout.trim()
  }

  describe('containers on two hosts', () => {
    it('speak through published ports, by their labels', async () => {
      await start(b, ['--name', 'web', '-l', 'app=web', '-p', `${PORT}:${PORT}`], ...WEB)
      await start(a, ['--name', 'client', '-l', 'app=client'], ...idle)
      await start(a, ['--name', 'stranger', '-l', 'app=stranger'], ...idle)
      const target = hosts.b.addresses.IPv4
      expect(await ask(a, 'client', target)).toBe('I am web')
      expect(await ask(a, 'stranger', target)).toBe('')
      expect((await hosts.a.namespace.run(['nc', '-w', '1', target, String(PORT)])).stdout).toBe('')
    })

    it('speak from the container that joined the network of another', async () => {
      const id = await a.run(['--name', 'sidecar', '--network', 'container:client'], ...idle)
      expect(await ask(a, 'sidecar', hosts.b.addresses.IPv4)).toBe('I am web')
      expect(await ask(a, 'client', hosts.b.addresses.IPv4)).toBe('I am web')
      expect(await protections.get(a)!.list()).not.toContainEqual(
        expect.objectContaining({ containerID: id }),
      )
    })
  })

  describe('one host', () => {
    it('has two networks, and the labels decide in both', async () => {
      for (const network of ['one', 'two']) await a.mustDocker('network', 'create', network)
      await start(a, ['--name', 'hub', '-l', 'app=web', '--network', 'one'], ...WEB)
      await a.mustDocker('network', 'connect', 'two', 'hub')
      for (const network of ['one', 'two']) {
        await start(a, ['--name', `client-${network}`, '-l', 'app=client', '--network', network], ...idle)
        await start(a, ['--name', `other-${network}`, '-l', 'app=other', '--network', network], ...idle)
        const address = await a.inspect('hub', `{{.NetworkSettings.Networks.${network}.IPAddress}}`)
        expect(await ask(a, `client-${network}`, address)).toBe('I am web')
        expect(await ask(a, `other-${network}`, address)).toBe('')
      }
    })

    it('has a network of IPv6', async () => {
      await a.mustDocker('network', 'create', '--ipv6', '--subnet', 'fd00:5::/64', 'six')
      await start(a, ['--name', 'web6', '-l', 'app=web', '--network', 'six'], ...WEB)
      await start(a, ['--name', 'client6', '-l', 'app=client', '--network', 'six'], ...idle)
      await start(a, ['--name', 'other6', '-l', 'app=other', '--network', 'six'], ...idle)
      const address = await a.inspect('web6', '{{.NetworkSettings.Networks.six.GlobalIPv6Address}}')
      expect(address).toContain('fd00:5:')
      expect(await ask(a, 'client6', address)).toBe('I am web')
      expect(await ask(a, 'other6', address)).toBe('')
    })

    it('enforces containers in its own network by their control group', async () => {
      const serve = ['nc', '-ll', '-p', String(HOST_PORT), '-e', 'echo', 'I am on the host']
      const flags = ['--network', 'host', '--expose', String(HOST_PORT)]
      await start(b, ['--name', 'host-web', '-l', 'app=web', ...flags], ...serve)
      await start(b, ['--name', 'host-client', '-l', 'app=client', '--network', 'host'], ...idle)
      const target = hosts.b.addresses.IPv4
      expect(await ask(a, 'client', target, HOST_PORT)).toBe('I am on the host')
      expect(await ask(a, 'stranger', target, HOST_PORT)).toBe('')
      expect(await ask(b, 'host-client', target, HOST_PORT)).toBe('I am on the host')
      const web = await b.inspect('web', '{{.NetworkSettings.IPAddress}}')
      expect(await ask(b, 'host-client', web)).toBe('I am web')
      await b.mustDocker('rm', '-f', 'host-web', 'host-client')
    })
  })
})
