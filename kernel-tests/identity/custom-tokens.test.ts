import { pskSecrets, type TagSelector, type Tags } from '@trireme/core'
import { cborTokens } from '@trireme/example-custom-tokens'
import { binaryTokens } from '@trireme/tokens-binary'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../harness/eventually.js'
import { FAMILIES, makeTwoHosts, type TwoHosts } from '../harness/hosts.js'
import { connectPlainly, startPlainServer } from '../harness/processing-unit.js'
import { Teardown } from '../harness/teardown.js'
import { type NodeInProcess, startNode } from './node-in-process.js'

const PORT = 7000
/** 34 tags that are far too long to travel in full. */
const LONG_TAGS: Tags = Array.from({ length: 33 }, (_, i) => ({
  key: `example.com/label-${i}`,
  value: `value-${i}-`.repeat(40),
}))

const accept = (name: string, value: string): TagSelector => ({
  name,
  action: 'accept',
  clauses: [{ key: 'app', operator: '=', values: [value] }],
})

const CASES = [
  { what: 'an encoding of one’s own', tokens: cborTokens(), more: [] as Tags },
  { what: 'shortened tags', tokens: binaryTokens(), more: LONG_TAGS },
]

describe.each(CASES)('two nodes with $what', ({ tokens, more }) => {
  const teardown = new Teardown()
  const each = new Teardown()
  let hosts: TwoHosts
  let client: NodeInProcess
  let server: NodeInProcess

  const start = (
    role: 'a' | 'b',
    app: string,
    rules: Partial<Record<'receiver' | 'transmitter', TagSelector>>,
  ) =>
    startNode({
      serverID: `tokens-${process.pid}-${role}`,
      host: hosts[role],
      secrets: pskSecrets({ key: Buffer.from('a shared secret of the kernel tests') }),
      tokens,
      identity: [{ key: 'app', value: app }, ...more],
      receiverRules: rules.receiver ? [rules.receiver] : [],
      transmitterRules: rules.transmitter ? [rules.transmitter] : [],
    })

  beforeAll(async () => {
    hosts = teardown.own(await makeTwoHosts())
    teardown.own(await startPlainServer(hosts.b, PORT))
    server = teardown.own(await start('b', 'web', { receiver: accept('from-frontend', 'frontend') }))
  })
  afterEach(() => each.run())
  afterAll(() => teardown.run())

  it.each(FAMILIES)('carry a connection that the rules of both accept, over %s', async family => {
    client = each.own(await start('a', 'frontend', { transmitter: accept('to-web', 'web') }))
    const session = each.own(
      await connectPlainly(hosts.a, { address: hosts.b.addresses[family], port: PORT }),
    )
    expect(session.outcome).toMatchObject({ connected: true })
    expect(await session.exchange(100_000)).toMatchObject({ equal: true })
    const flow = await eventually('the server reports', () =>
      server.flows.findLast(flow => flow.destination.ip === hosts.b.addresses[family]),
    )
    expect(flow).toMatchObject({ verdict: 'accept', rule: 'from-frontend' })
    expect(client.flows).toMatchObject([{ verdict: 'accept', rule: 'to-web' }])
    expect([...client.errors, ...server.errors]).toEqual([])
  })

  it('refuse another identity at once', async () => {
    client = each.own(await start('a', 'batch', { transmitter: accept('to-web', 'web') }))
    const { outcome } = each.own(
      await connectPlainly(hosts.a, { address: hosts.b.addresses.IPv4, port: PORT }),
    )
    expect(outcome).toMatchObject({ connected: false, error: 'ECONNREFUSED' })
    expect(server.flows.at(-1)).toMatchObject({ verdict: 'reject', reason: 'policy' })
    expect(server.flows.at(-1)?.rule).toContain('lacks app=frontend')
  })
})
