/** An authorized connection whose conntrack entry is gone: a stateful firewall lets it go on, and so does Trireme. */
import { stateOfMark } from '@trireme/core'
import { afterEach, expect, it } from 'vitest'
import { FAMILIES } from '../harness/hosts.js'
import { FRONTEND, type Pair, startPair } from '../harness/pair.js'
import { connectAsPU, connectPlainly } from '../harness/processing-unit.js'
import { Teardown } from '../harness/teardown.js'

const teardown = new Teardown()
afterEach(() => teardown.run())

const lose = async ({ clientHost, serverHost }: Pair) => {
  for (const { namespace } of [clientHost, serverHost]) await namespace.mustRun(['conntrack', '-F'])
}
/** What the server's kernel says of the connections to the web server's port. */
const statesAt = async ({ serverHost }: Pair, family: string) => {
  const argv = ['conntrack', '-L', '-f', family.toLowerCase(), '-p', 'tcp', '--dport', '7000']
  const { stdout } = await serverHost.namespace.run(argv)
  return [...stdout.matchAll(/mark=(\d+)/g)].map(([, mark]) => stateOfMark(Number(mark)))
}

it.each(FAMILIES)('goes on over %s, whoever speaks first, and is authorized as before', async family => {
  const pair = await startPair(teardown)
  const target = { address: pair.serverHost.addresses[family], port: 7000 }
  const session = teardown.own(await connectAsPU(pair.client, FRONTEND, target))
  expect(await session.exchange(10_000)).toMatchObject({ equal: true })
  for (let round = 0; round < 3; round++) {
    await lose(pair)
    expect(await session.exchange(100_000)).toMatchObject({ equal: true })
    expect(await statesAt(pair, family)).toContain('auth')
  }
  // Nobody else is let in by that.
  const stranger = teardown.own(await connectPlainly(pair.clientHost, target))
  expect(stranger.outcome).toMatchObject({ connected: false })
})

it('a segment that is forged from the tuple of a connection that has ended opens nothing', async () => {
  const pair = await startPair(teardown)
  const target = { address: pair.serverHost.addresses.IPv4, port: 7000 }
  const session = await connectAsPU(pair.client, FRONTEND, target)
  expect(await session.exchange(1000)).toMatchObject({ equal: true })
  const { source } = await pair.server.flowLike(({ verdict }) => verdict === 'accept')
  await session.stop()
  await lose(pair)
  const forge = ['hping3', '-q', '-c', '3', '-i', 'u1000', '-A', '-P', '-d', '20', '-k', '-p', '7000']
  await pair.clientHost.namespace.run([...forge, '-s', String(source.port), target.address])
  expect(await statesAt(pair, 'IPv4')).not.toContain('auth')
})
