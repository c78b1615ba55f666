import assert from 'node:assert/strict'
import type { Handshake } from '@trireme/core'
import { assertRefused, verified } from './assert-verified.js'
import type { Check, TokenEngineSubject } from './check.js'
import { sampleClaims } from './sample-claims.js'
import { connect, newNode } from './two-nodes.js'

const TAGS = [{ key: 'app', value: 'web' }]

/** The engine in its place: between two nodes, each with secrets of its own. */
export const checksOfHandshake: readonly Check<TokenEngineSubject>[] = [
  {
    title: 'carries a handshake between two nodes',
    async run(subject) {
      const [client, server] = await twoNodes(subject)
      const { client: seen, server: answered } = await connect(client, server)
      assert.equal(seen.claims.issuer, 'host-a')
      assert.equal(answered.claims.issuer, 'host-b')
      assert.deepEqual(seen.claims.tags, TAGS)
    },
  },
  {
    title: 'does nothing for a second handshake with the same records',
    async run(subject) {
      const [client, server] = await twoNodes(subject)
      await connect(client, server)
      const before = [client.verifier.coldVerifications, server.verifier.coldVerifications]
      await connect(client, server)
      assert.deepEqual([client.verifier.coldVerifications, server.verifier.coldVerifications], before)
    },
  },
  {
    title: 'carries a handshake with records that were renewed',
    async run(subject) {
      const [client, server] = await twoNodes(subject)
      await connect(client, server)
      await Promise.all([client.secretsChanged(), server.secretsChanged()])
      await connect(client, server)
      await connect(server, client)
    },
  },
  {
    title: 'keeps two engines in one process apart',
    async run({ engine, kind }) {
      const [ours, theirs] = [await engine(kind.secrets()), await engine(kind.strangers())]
      const record = await theirs.issue(sampleClaims())
      await verified(theirs, record, 'a record by its own engine')
      await assertRefused(ours, record, 'a record of another trust domain')
    },
  },
]

async function twoNodes({ engine, kind }: TokenEngineSubject): Promise<[Handshake, Handshake]> {
  const node = async (serverID: string) => {
    const secrets = kind.secrets()
    return newNode(serverID, await engine(secrets), secrets, TAGS)
  }
  return [await node('host-a'), await node('host-b')]
}
