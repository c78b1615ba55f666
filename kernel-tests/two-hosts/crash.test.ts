import { afterEach, describe, expect, it } from 'vitest'
import { eventually } from '../harness/eventually.js'
import { BACKENDS } from '../harness/iptables-backend.js'
import { FRONTEND, type Pair, startPair } from '../harness/pair.js'
import { connectAsPU, prepareConnection } from '../harness/processing-unit.js'
import { Teardown } from '../harness/teardown.js'

describe.each(BACKENDS)('after the end of a daemon, iptables-%s', { timeout: 120_000 }, backend => {
  const teardown = new Teardown()
  afterEach(() => teardown.run())

  const targetOf = (pair: Pair) => ({ address: pair.serverHost.addresses.IPv4, port: 7000, timeoutMs: 2_500 })

  it('kill -9 at the server: what stands lives on, nothing new passes until it is back', async () => {
    const pair = await startPair(teardown, { both: { backend } })
    const old = teardown.own(await connectAsPU(pair.client, FRONTEND, targetOf(pair)))
    expect(await old.exchange(1)).toMatchObject({ equal: true })

    await pair.server.crash()
    expect(await old.exchange(1_000_000)).toMatchObject({ equal: true })
    const meanwhile = teardown.own(await connectAsPU(pair.client, FRONTEND, targetOf(pair)))
    expect(meanwhile.outcome).toMatchObject({ connected: false, error: 'TIMEOUT' })

    await pair.server.start()
    await eventually(
      'the web server is a PU again',
      async () => (await pair.server.status()).pus.length === 1,
    )
    const fresh = teardown.own(await connectAsPU(pair.client, FRONTEND, targetOf(pair)))
    expect(fresh.outcome).toMatchObject({ connected: true })
    expect(await fresh.exchange(10_000)).toMatchObject({ equal: true })
    expect(await old.exchange(10_000)).toMatchObject({ equal: true })
  })

  it('kill -9 at the client: what stands lives on, nothing new passes until it is back', async () => {
    const pair = await startPair(teardown, { both: { backend } })
    const old = teardown.own(await connectAsPU(pair.client, FRONTEND, targetOf(pair)))
    const first = teardown.own(await prepareConnection(pair.client, FRONTEND, targetOf(pair)))
    const second = teardown.own(await prepareConnection(pair.client, FRONTEND, targetOf(pair)))
    expect(await old.exchange(1)).toMatchObject({ equal: true })

    await pair.client.crash()
    expect(await old.exchange(1_000_000)).toMatchObject({ equal: true })
    expect((await first.connect()).outcome).toMatchObject({ connected: false, error: 'TIMEOUT' })

    await pair.client.start()
    await eventually('the clients are PUs again', async () => (await pair.client.status()).pus.length >= 2)
    const fresh = await second.connect()
    expect(fresh.outcome).toMatchObject({ connected: true })
    expect(await fresh.exchange(10_000)).toMatchObject({ equal: true })
    expect(await old.exchange(10_000)).toMatchObject({ equal: true })
  })

  it('SIGTERM at the server: enforcement stays', async () => {
    const pair = await startPair(teardown, { both: { backend } })
    const old = teardown.own(await connectAsPU(pair.client, FRONTEND, targetOf(pair)))
    expect(await old.exchange(1)).toMatchObject({ equal: true })

    await pair.server.terminate()
    expect(await old.exchange(1_000_000)).toMatchObject({ equal: true })
    const meanwhile = teardown.own(await connectAsPU(pair.client, FRONTEND, targetOf(pair)))
    expect(meanwhile.outcome).toMatchObject({ connected: false })
  })
})
