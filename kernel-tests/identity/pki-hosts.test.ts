import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { Daemon } from '../harness/daemon.js'
import { FRONTEND, WEB } from '../harness/pair.js'
import { connectAsPU, startServer } from '../harness/processing-unit.js'
import { Teardown } from '../harness/teardown.js'
import { type Auth, issueNodeKeys, pkiAuth, prepareTwoDaemons, type TwoDaemons } from './two-daemons.js'

const teardown = new Teardown()
afterEach(() => teardown.run())

type Peer = { readonly own: Daemon; readonly other: Daemon }

interface Mode {
  readonly name: string
  readonly mode: string
  readonly compact?: boolean
  readonly auth: (peer: Peer) => Promise<Auth>
}

const MODES: readonly Mode[] = [
  { name: 'PKI on the wire', mode: 'pki', auth: async () => pkiAuth('node') },
  {
    name: 'PKI handed out beforehand',
    mode: 'pki-prepopulated',
    auth: async ({ own, other }) => {
      await copyFile(join(other.folder, 'node/cert.pem'), join(own.folder, 'other.pem'))
      return { prepopulated: { ...pkiAuth('node').pki, peers: { [other.serverID]: 'other.pem' } } }
    },
  },
  {
    name: 'compact PKI',
    mode: 'compact-pki',
    compact: true,
    auth: async () => ({
      compact: { key: 'node/key.pem', statement: 'node/statement.pem', ca: 'node/ca.pem' },
    }),
  },
]

const cases = MODES.flatMap(mode => ['binary', 'jwt'].map(tokens => ({ ...mode, tokens })))

async function startBoth(daemons: TwoDaemons, { auth, compact, tokens }: (typeof cases)[number]) {
  await issueNodeKeys(daemons, 'node', compact)
  const { client, server } = daemons
  for (const peer of [
    { own: server, other: client },
    { own: client, other: server },
  ]) {
    await peer.own.writeConfig({ auth: await auth(peer), tokens })
    await peer.own.start()
  }
}

describe.each(cases)('$name, tokens $tokens', each => {
  it('connects two hosts, and the status says how', async () => {
    const daemons = await prepareTwoDaemons(teardown)
    await startBoth(daemons, each)
    const { client, server } = daemons
    teardown.own(await startServer(server, WEB))
    const target = { address: server.host.addresses.IPv4, port: 7000 }
    const session = teardown.own(await connectAsPU(client, FRONTEND, target))
    expect(session.outcome).toMatchObject({ connected: true })
    expect(await session.exchange(10_000)).toMatchObject({ equal: true })
    const accepted = await server.flowLike(flow => flow.verdict === 'accept')
    expect(accepted.source.tags).toContain('app=frontend')
    expect(await client.status()).toMatchObject({ mode: each.mode, accepts: [] })
  })
})

describe('a certificate of another node', () => {
  it('ends the daemon at once with exit status 2', async () => {
    const daemons = await prepareTwoDaemons(teardown)
    await issueNodeKeys(daemons, 'node')
    const { client, server } = daemons
    await client.writeConfig({ auth: pkiAuth('node'), serverID: server.serverID })
    const { code, stderr } = await client.runToEnd()
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining('and this node is') })
  })
})
