/** Published ports under addresses that the host gets and loses while the container runs. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../harness/eventually.js'
import { FAMILIES, type Family, makeTwoHosts, type TwoHosts } from '../harness/hosts.js'
import { mustRun } from '../harness/run-command.js'
import { Teardown } from '../harness/teardown.js'
import { DockerEngine } from './docker-engine.js'
import { Protection } from './protection.js'

const PORT = 8080
const POLICY = {
  default: 'deny',
  rules: [{ name: 'web-from-client', from: { app: 'client' }, to: { app: 'web' }, action: 'allow' }],
}
const IPV6 = ['--experimental', '--ip6tables', '--ipv6', '--fixed-cidr-v6', 'fd00:d0c::/64']
const LATER: Readonly<Record<Family, string>> = { IPv4: '10.77.0.9', IPv6: 'fd00:77::9' }

describe.each(['remote', 'local'] as const)('with enforcement %s, a published port', enforcement => {
  const teardown = new Teardown()
  let hosts: TwoHosts
  let client: DockerEngine
  let protection: Protection

  beforeAll(async () => {
    hosts = teardown.own(await makeTwoHosts())
    const server = teardown.own(await DockerEngine.start(hosts.b.namespace, IPV6))
    client = teardown.own(await DockerEngine.start(hosts.a.namespace))
    const monitor = { enforcement }
    protection = teardown.own(await Protection.start(server, { policy: POLICY, monitor }))
    const asking = teardown.own(await Protection.start(client, { policy: POLICY, hostNetwork: true }))
    const serve = ['nc', '-ll', '-p', '80', '-e', 'echo', 'I am web']
    await protection.until(await server.run(['-l', 'app=web', '-p', `${PORT}:80`], ...serve), 'start')
    const flags = ['--name', 'client', '-l', 'app=client', '--network', 'host']
    await asking.until(await client.run(flags, 'sleep', '600'), 'start')
  })
  afterAll(() => teardown.run())

  async function ask(address: string): Promise<string> {
    const { stdout } = await client.docker('exec', 'client', 'nc', '-w', '5', address, String(PORT))
    return stdout.trim()
  }

  /** Adds the address to the host of the server, or takes it away. */
  const change = (verb: 'add' | 'del', family: Family) =>
    mustRun([
      ...[
        'ip',
        '-n',
        hosts.b.namespace.name,
        'addr',
        verb,
        `${LATER[family]}/${family === 'IPv4' ? 24 : 64}`,
      ],
      ...['dev', 'eth0', ...(family === 'IPv6' && verb === 'add' ? ['nodad'] : [])],
    ])

  it.each(FAMILIES)(
    'is reached under an address that the host got after the container began, over %s',
    async family => {
      expect(await ask(hosts.b.addresses[family])).toBe('I am web')
      await change('add', family)
      expect(await ask(LATER[family])).toBe('I am web')
      expect(protection.flows.filter(({ reason }) => reason === 'misdirected')).toEqual([])
    },
  )

  it('is not reached by a connection that was dialled to an address which the host has no more', async () => {
    await change('del', 'IPv4')
    // Another host has the address now, and leads what is dialled there to the container: a relay.
    await hosts.b.namespace.mustRun(['ip', 'route', 'add', 'blackhole', `${LATER.IPv4}/32`])
    const nat = [
      'iptables-nft',
      '-t',
      'nat',
      '-I',
      'PREROUTING',
      '-d',
      LATER.IPv4,
      '-p',
      'tcp',
      '--dport',
      String(PORT),
    ]
    await hosts.b.namespace.mustRun([...nat, '-j', 'DNAT', '--to', '172.17.0.2:80'])
    await mustRun([
      'ip',
      '-n',
      hosts.a.namespace.name,
      'route',
      'add',
      `${LATER.IPv4}/32`,
      'via',
      hosts.b.addresses.IPv4,
    ])
    // What the host's addresses are is looked at once a second.
    await eventually('it is refused', async () => (await ask(LATER.IPv4)) === '')
    expect(protection.flows.at(-1)).toMatchObject({ verdict: 'reject', reason: 'misdirected' })
  })
})
