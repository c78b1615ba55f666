/** Roads on which addresses change, and roads that do not leave the host. */
import { pskSecrets, type TagSelector } from '@trireme/core'
import { binaryTokens } from '@trireme/tokens-binary'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { program } from '../harness/checkout.js'
import { Daemon } from '../harness/daemon.js'
import { eventually } from '../harness/eventually.js'
import { FAMILIES, type Family, type Host } from '../harness/hosts.js'
import { FRONTEND, WEB, WEB_POLICY } from '../harness/pair.js'
import {
  connectAsPU,
  connectPlainly,
  runAsPU,
  startPlainServer,
  startServer,
} from '../harness/processing-unit.js'
import { makeRoutedHosts, type RoutedHosts } from '../harness/routed-hosts.js'
import type { Session } from '../harness/session.js'
import { Teardown } from '../harness/teardown.js'
import { type NodeInProcess, startNode } from '../identity/node-in-process.js'

const PORT = 7000
/** An address that no host bears: the router knows whom it stands for. */
const VIRTUAL: Readonly<Record<Family, string>> = { IPv4: '10.77.9.9', IPv6: 'fd00:77:9::9' }
/** Of the router itself, for a port that it publishes. */
const ROUTER: Readonly<Record<Family, string>> = { IPv4: '10.77.1.254', IPv6: 'fd00:77:1::254' }
const IPTABLES: Readonly<Record<Family, string>> = { IPv4: 'iptables-nft', IPv6: 'ip6tables-nft' }
const [VIRTUAL_PORT, PUBLISHED_PORT] = [80, 8080]

describe('through NAT', () => {
  const teardown = new Teardown()
  const sessions = new Teardown()
  let hosts: RoutedHosts
  let client: NodeInProcess
  let server: NodeInProcess

  const start = (host: Host, app: string, aliases: readonly string[]) =>
    startNode({
      serverID: `nat-${process.pid}-${app}`,
      host,
      secrets: pskSecrets({ key: Buffer.from('a shared secret of the kernel tests') }),
      tokens: binaryTokens(),
      identity: [{ key: 'app', value: app }],
      receiverRules: [accept('from-frontend', 'frontend')],
      transmitterRules: [accept('to-web', 'web')],
      aliases,
    })

  beforeAll(async () => {
    hosts = teardown.own(await makeRoutedHosts())
    teardown.own(await startPlainServer(hosts.b, PORT))
    const aliases = FAMILIES.flatMap(family => [
      withPort(VIRTUAL[family], VIRTUAL_PORT),
      withPort(ROUTER[family], PUBLISHED_PORT),
    ])
    server = teardown.own(await start(hosts.b, 'web', aliases))
    client = teardown.own(await start(hosts.a, 'frontend', []))
  })
  afterEach(async () => {
    await sessions.run()
    for (const iptables of Object.values(IPTABLES)) await hosts.router.mustRun([iptables, '-t', 'nat', '-F'])
  })
  afterAll(() => teardown.run())

  const masquerade = (family: Family) => nat(hosts, family, 'POSTROUTING -o port2 -j MASQUERADE')

  const expectConnection = async (family: Family, address: string, port: number) => {
    const session = sessions.own(await connectPlainly(hosts.a, { address, port }))
    await expectExact(session)
    const dialled = await eventually('the client reports', () =>
      client.flows.findLast(({ destination }) => destination.ip === address && destination.port === port),
    )
    expect(dialled).toMatchObject({ verdict: 'accept', rule: 'to-web' })
    const accepted = await eventually('the server reports', () =>
      server.flows.findLast(({ id }) => id === dialled.id),
    )
    const destination = { ip: hosts.b.addresses[family], port: PORT }
    expect(accepted).toMatchObject({ verdict: 'accept', rule: 'from-frontend', destination })
    return accepted.source.ip
  }

  it.each(FAMILIES)('SNAT: the client appears as the router, over %s', async family => {
    await masquerade(family)
    const source = await expectConnection(family, hosts.b.addresses[family], PORT)
    expect(source).toBe(ROUTER[family].replace('.1.', '.2.').replace(':1::', ':2::'))
  })

  it.each(FAMILIES)('DNAT: a virtual address that is an alias, over %s', async family => {
    await forward(hosts, family, VIRTUAL[family], VIRTUAL_PORT)
    const source = await expectConnection(family, VIRTUAL[family], VIRTUAL_PORT)
    expect(source).toBe(hosts.a.addresses[family])
  })

  it.each(FAMILIES)('SNAT and DNAT at once, over %s', async family => {
    await masquerade(family)
    await forward(hosts, family, VIRTUAL[family], VIRTUAL_PORT)
    await expectConnection(family, VIRTUAL[family], VIRTUAL_PORT)
  })

  it.each(FAMILIES)('a published port, over %s', async family => {
    await forward(hosts, family, ROUTER[family], PUBLISHED_PORT)
    await expectConnection(family, ROUTER[family], PUBLISHED_PORT)
  })

  it.each(FAMILIES)('DNAT of what is no alias is misdirected, over %s', async family => {
    await forward(hosts, family, VIRTUAL[family], VIRTUAL_PORT + 1)
    const target = { address: VIRTUAL[family], port: VIRTUAL_PORT + 1, timeoutMs: 1_500 }
    const session = sessions.own(await connectPlainly(hosts.a, target))
    expect(session.outcome).toMatchObject({ connected: false, error: 'TIMEOUT' })
    const last = server.flows.findLast(({ source }) => source.ip === hosts.a.addresses[family])
    expect(last).toMatchObject({ verdict: 'reject', reason: 'misdirected' })
  })

  it('nothing went wrong beside the packets', () => {
    expect([...client.errors, ...server.errors]).toEqual([])
  })
})

describe('on one host and with two addresses', () => {
  const SECOND: Readonly<Record<Family, string>> = { IPv4: '10.77.2.9', IPv6: 'fd00:77:2::9' }
  const SELF = { labels: { app: 'self' }, ports: [7001] }
  const POLICY = {
    ...WEB_POLICY,
    rules: [
      ...WEB_POLICY.rules,
      { name: 'self', to: { app: 'self' }, from: { app: 'self' }, ports: [7001], action: 'allow' },
    ],
  }
  const teardown = new Teardown()
  const sessions = new Teardown()
  let hosts: RoutedHosts
  let near: Daemon
  let far: Daemon

  beforeAll(async () => {
    hosts = teardown.own(await makeRoutedHosts())
    for (const address of [`${SECOND.IPv4}/24`, `${SECOND.IPv6}/64`]) {
      const nodad = address.includes(':') ? ['nodad'] : []
      await hosts.b.namespace.mustRun(['ip', 'addr', 'add', address, 'dev', 'eth0', ...nodad])
    }
    const config = { aliases: Object.values(VIRTUAL) }
    near = teardown.own(await Daemon.start(hosts.b, { policy: POLICY, config }))
    far = teardown.own(await Daemon.start(hosts.a, { policy: POLICY }))
    const aliases = FAMILIES.map(family => withPort(ROUTER[family], PUBLISHED_PORT))
    teardown.own(await startServer(near, { ...WEB, aliases }))
  })
  afterEach(() => sessions.run())
  afterAll(() => teardown.run())

  const addresses = (family: Family) => [hosts.b.addresses[family], SECOND[family]]

  it.each(FAMILIES)('two PUs on one host, by either of its addresses, over %s', async family => {
    for (const address of addresses(family))
      await expectExact(sessions.own(await connectAsPU(near, FRONTEND, { address, port: PORT })))
  })

  it.each(FAMILIES)('another host, by either address, over %s', async family => {
    for (const address of addresses(family))
      await expectExact(sessions.own(await connectAsPU(far, FRONTEND, { address, port: PORT })))
  })

  it.each(FAMILIES)(
    'behind a router: by an alias of the host, and by one of the PU, over %s',
    async family => {
      for (const [address, port] of [
        [VIRTUAL[family], PORT],
        [ROUTER[family], PUBLISHED_PORT],
      ] as const) {
        await forward(hosts, family, address, port)
        await expectExact(sessions.own(await connectAsPU(far, FRONTEND, { address, port })))
      }
      const stray = { address: VIRTUAL[family], port: VIRTUAL_PORT, timeoutMs: 500 }
      await forward(hosts, family, stray.address, stray.port)
      const { outcome } = sessions.own(await connectAsPU(far, FRONTEND, stray))
      expect(outcome).toMatchObject({ connected: false, error: 'TIMEOUT' })
      await near.flowLike(
        ({ reason, source }) => reason === 'misdirected' && source.ip === hosts.a.addresses[family],
      )
    },
  )

  it.each(FAMILIES)('a PU calls itself, by either address of its host, over %s', async family => {
    for (const address of addresses(family)) {
      const { stdout, stderr } = await runAsPU(near, SELF, program('self-call', address, '7001'))
      expect(JSON.parse(stdout), stderr).toMatchObject({ connected: true, equal: true })
    }
  })
})

function nat(hosts: RoutedHosts, family: Family, rule: string): Promise<string> {
  return hosts.router.mustRun([IPTABLES[family], '-t', 'nat', '-A', ...rule.split(' ')])
}

/** What is dialled to the address and port goes to the server. */
function forward(hosts: RoutedHosts, family: Family, address: string, port: number): Promise<string> {
  const to = withPort(hosts.b.addresses[family], PORT)
  const dialled = `-p tcp -d ${address} --dport ${port}`
  return nat(hosts, family, `PREROUTING -i port1 ${dialled} -j DNAT --to-destination ${to}`)
}

async function expectExact(session: Session): Promise<void> {
  expect(session.outcome).toMatchObject({ connected: true })
  expect(await session.exchange(200_000)).toMatchObject({ received: 200_000, equal: true })
}

function accept(name: string, app: string): TagSelector {
  return { name, action: 'accept', clauses: [{ key: 'app', operator: '=', values: [app] }] }
}

function withPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
