/** A daemon that restarts under 50 PUs: identities, enforcement and live connections are what they were. */
import { afterEach, expect, it } from 'vitest'
import { Daemon } from '../harness/daemon.js'
import { makeTwoHosts } from '../harness/hosts.js'
import { JSONLinesProcess } from '../harness/json-lines-process.js'
import { BATCH, FRONTEND, WEB, WEB_POLICY } from '../harness/pair.js'
import { connectAsPU, connectPlainly, prepareConnection, startServer } from '../harness/processing-unit.js'
import { Teardown } from '../harness/teardown.js'
import { postEvent } from './event-client.js'

const PUS = 50

const teardown = new Teardown()
afterEach(() => teardown.run())

it.each([
  ['in good order', (daemon: Daemon) => daemon.terminate()],
  ['by a crash', (daemon: Daemon) => daemon.crash()],
] as const)('%s', { timeout: 300_000 }, async (_, end) => {
  const { a, b, stop } = await makeTwoHosts()
  teardown.add(stop)
  const server = teardown.own(await Daemon.start(b, { policy: WEB_POLICY }))
  const client = teardown.own(await Daemon.start(a, { policy: WEB_POLICY }))
  teardown.own(await startServer(server, WEB))
  const target = { address: b.addresses.IPv4, port: 7000 }
  const live = teardown.own(await connectAsPU(client, FRONTEND, target))
  expect(await live.exchange(1000)).toMatchObject({ equal: true })
  const ready = teardown.own(await prepareConnection(client, FRONTEND, target))
  const refused = teardown.own(await prepareConnection(client, BATCH, target))
  const waiting = await Promise.all(
    Array.from({ length: PUS - 3 }, async (_, index) => {
      const child = teardown.own(new JSONLinesProcess(a.namespace.inside(['sh', '-c', 'echo $$; cat'])))
      const pid = Number(await child.next())
      const tags = [`app=a${index}`]
      expect(
        (await postEvent(client, { event: 'start', pid, tags, ports: [String(20_000 + index)] })).status,
      ).toBe(200)
      return child
    }),
  )
  const before = await identities(client)
  expect(before).toHaveLength(PUS)
  await waiting[0]!.stop()
  await end(client)
  expect(await live.exchange(100_000)).toMatchObject({ equal: true })
  await waiting[1]!.stop()
  await client.start()
  expect(await live.exchange(100_000)).toMatchObject({ equal: true })
  const after = await identities(client)
  expect(after).toHaveLength(PUS - 2)
  expect(before).toEqual(expect.arrayContaining([...after]))
  const [allowed, denied] = await Promise.all([ready.connect(), refused.connect()])
  expect(allowed.outcome).toMatchObject({ connected: true })
  expect(denied.outcome).toMatchObject({ connected: false })
  const plain = teardown.own(await connectPlainly(a, target))
  expect(plain.outcome).toMatchObject({ connected: false })
})

/** Everything that a PU is to others, one text each. */
async function identities(daemon: Daemon): Promise<readonly string[]> {
  const pus = (await daemon.status()).pus as readonly Record<
    'id' | 'name' | 'pid' | 'tags' | 'ports',
    unknown
  >[]
  return pus.map(({ id, name, pid, tags, ports }) => JSON.stringify({ id, name, pid, tags, ports })).sort()
}
