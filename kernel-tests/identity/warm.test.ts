import { PORT_TAG, type TagSelector } from '@trireme/core'
import { binaryTokens } from '@trireme/tokens-binary'
import { jwtTokens } from '@trireme/tokens-jwt'
import { afterEach, describe, expect, it } from 'vitest'
import { eventually } from '../harness/eventually.js'
import { makeTwoHosts } from '../harness/hosts.js'
import { connectPlainly, startPlainServer } from '../harness/processing-unit.js'
import { Teardown } from '../harness/teardown.js'
import { startNode } from './node-in-process.js'
import { newAuthority, newMaterial, secretsFor } from './secret-kinds.js'

const PORT = 7000
const CONNECTIONS = 10
const ENGINES = { binary: binaryTokens(), jwt: jwtTokens() } as const
const ANYBODY: TagSelector = {
  name: 'anybody',
  action: 'accept',
  clauses: [{ key: PORT_TAG, operator: '=', values: [String(PORT)] }],
}
const CASES = (['psk', 'pki'] as const).flatMap(kind =>
  (['binary', 'jwt'] as const).map(encoding => ({ kind, encoding })),
)

const teardown = new Teardown()
afterEach(() => teardown.run())

describe.each(CASES)('$kind, tokens $encoding', ({ kind, encoding }) => {
  it('a warm connection does no public-key operation, on either side', async () => {
    const hosts = teardown.own(await makeTwoHosts())
    teardown.own(await startPlainServer(hosts.b, PORT))
    const now = Math.floor(Date.now() / 1_000) * 1_000
    const ca = await newAuthority('CA', now)
    const start = async (role: 'a' | 'b') => {
      const material = await newMaterial(ca, `${role}-${process.pid}`, now)
      const node = await startNode({
        serverID: material.serverID,
        host: hosts[role],
        secrets: secretsFor(kind, material, { ca, now: Date.now }),
        tokens: ENGINES[encoding],
        identity: [{ key: 'app', value: role }],
        receiverRules: [ANYBODY],
        transmitterRules: [ANYBODY],
      })
      return teardown.own(node)
    }
    const nodes = [await start('a'), await start('b')]
    const connect = async () => {
      const target = { address: hosts.b.addresses.IPv4, port: PORT }
      expect(teardown.own(await connectPlainly(hosts.a, target)).outcome).toMatchObject({ connected: true })
    }
    const publicKeyWork = () =>
      nodes
        .map(node => node.stats())
        .map(({ coldKeys, coldVerifications }) => ({ coldKeys, coldVerifications }))
    await connect()
    const one = { coldKeys: 1, coldVerifications: 1 }
    expect(publicKeyWork()).toEqual([one, one])
    for (let number = 0; number < CONNECTIONS; number++) await connect()
    const accepted = () => nodes[1]!.flows.filter(({ verdict }) => verdict === 'accept').length
    await eventually('the server reports', () => accepted() === CONNECTIONS + 1 || undefined)
    expect(publicKeyWork()).toEqual([one, one])
  })
})
