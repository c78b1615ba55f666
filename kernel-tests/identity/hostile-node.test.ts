/** Nodes that hold a valid key and abuse it, against an honest one: flaws 3, 6, 10, 17 and 23 between two namespaces. */
import {
  type Factory,
  nullSecrets,
  PORT_TAG,
  pskSecrets,
  type RecordClaims,
  type Secrets,
  type TagSelector,
  type TokenEngine,
} from '@trireme/core'
import { binaryTokens } from '@trireme/tokens-binary'
import { jwtTokens } from '@trireme/tokens-jwt'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../harness/eventually.js'
import { makeTwoHosts, type TwoHosts } from '../harness/hosts.js'
import { PacketCapture } from '../harness/packet-capture.js'
import { connectPlainly, startPlainServer } from '../harness/processing-unit.js'
import { Teardown } from '../harness/teardown.js'
import { type NodeInProcess, startNode } from './node-in-process.js'
import { type Authority, type Material, newAuthority, newMaterial, secretsFor } from './secret-kinds.js'
import { withOtherCredential } from './with-other-credential.js'

const PORT = 7000
const OTHER_PORT = 7001
const PSK = Buffer.from('a shared secret of the kernel tests')
/** Longer than the first resend takes, which comes after a second. */
const DROPPED_AFTER_MS = 1_200
const YEAR_S = 365 * 86_400

/** The frontend may connect to port 7000 and to no other. */
const TO_PORT: TagSelector = {
  name: 'port-7000-from-frontend',
  action: 'accept',
  clauses: [
    { key: 'app', operator: '=', values: ['frontend'] },
    { key: PORT_TAG, operator: '=', values: [String(PORT)] },
  ],
}
const TO_ALL: TagSelector = {
  name: 'to-all',
  action: 'accept',
  clauses: [{ key: 'app', operator: '*', values: [] }],
}

type Tokens = Factory<{ readonly secrets: Secrets }, TokenEngine>
const ENGINES = { binary: binaryTokens(), jwt: jwtTokens() } as const

/** An engine of a hostile node: what it issues is not what it was asked for. */
function forging(
  tokens: Tokens,
  issue: (claims: RecordClaims, engine: TokenEngine) => ReturnType<TokenEngine['issue']>,
): Tokens {
  return components => {
    const engine = tokens(components)
    const { encoding, encodingCode } = engine
    return {
      encoding,
      encodingCode,
      issue: claims => issue(claims, engine),
      verify: record => engine.verify(record),
    }
  }
}

describe.each(['binary', 'jwt'] as const)('a hostile node, tokens %s', encoding => {
  const tokens = ENGINES[encoding]
  const teardown = new Teardown()
  const each = new Teardown()
  let hosts: TwoHosts
  let ca: Authority
  let materials: Readonly<Record<'server' | 'victim' | 'insider', Material>>

  const pki = (material: Material) => secretsFor('pki', material, { ca, now: Date.now })
  const psk = () => pskSecrets({ key: PSK })

  const start = (role: 'a' | 'b', serverID: string, { secrets, tokens, app }: NodeOf) =>
    startNode({
      serverID,
      host: hosts[role],
      secrets,
      tokens,
      identity: [{ key: 'app', value: app }],
      receiverRules: [TO_PORT],
      transmitterRules: [TO_ALL],
    })

  const startServer = (secrets: Secrets) =>
    start('b', materials.server.serverID, { secrets, tokens, app: 'web' }).then(node => each.own(node))
  const startClient = (secrets: Secrets, { serverID = materials.insider.serverID, ...rest }: Client = {}) =>
    start('a', serverID, { secrets, tokens, app: 'frontend', ...rest }).then(node => each.own(node))

  const connect = async (port = PORT, address = hosts.b.addresses.IPv4) => {
    const target = { address, port, timeoutMs: DROPPED_AFTER_MS }
    return each.own(await connectPlainly(hosts.a, target)).outcome
  }

  /** The server answers nothing at all, and reports why. */
  const expectSilence = async (server: NodeInProcess, reason: string) => {
    expect(await connect()).toMatchObject({ connected: false, error: 'TIMEOUT' })
    const flow = await eventually('the server reports', () => server.flows.at(-1))
    expect(flow).toMatchObject({ verdict: 'reject', reason })
    expect(server.flows.filter(({ verdict }) => verdict === 'accept')).toEqual([])
  }

  beforeAll(async () => {
    hosts = teardown.own(await makeTwoHosts())
    teardown.own(await startPlainServer(hosts.b, PORT))
    teardown.own(await startPlainServer(hosts.b, OTHER_PORT))
    const now = Math.floor(Date.now() / 1_000) * 1_000
    ca = await newAuthority('CA', now)
    const material = (role: string) => newMaterial(ca, `${role}-${process.pid}`, now)
    materials = {
      server: await material('server'),
      victim: await material('victim'),
      insider: await material('insider'),
    }
  })
  afterEach(() => each.run())
  afterAll(() => teardown.run())

  it('flaw 3: a victim’s record beside one’s own certificate is refused, while the victim’s own is remembered', async () => {
    const server = await startServer(pki(materials.server))
    let record: Uint8Array | undefined
    const remembering = forging(tokens, async (claims, engine) => {
      record = Uint8Array.from(await engine.issue(claims))
      return record
    })
    const victim = await startClient(pki(materials.victim), {
      serverID: materials.victim.serverID,
      tokens: remembering,
    })
    expect(await connect()).toMatchObject({ connected: true })
    const reported = server.flows.length
    await victim.stop()
    const [own, other] = [materials.victim, materials.insider].map(
      material => pki(material).signer({ issuer: material.serverID, encoding }).credential!,
    ) as [Uint8Array, Uint8Array]
    await startClient(pki(materials.insider), {
      tokens: forging(tokens, () => withOtherCredential(encoding, record!, [own, other])),
    })
    expect(await connect()).toMatchObject({ connected: false, error: 'TIMEOUT' })
    const refused = await eventually('the server reports', () => server.flows[reported])
    expect(refused).toMatchObject({ verdict: 'reject', reason: 'token' })
  })

  it('flaw 3: a record in the name of another node is refused', async () => {
    const server = await startServer(pki(materials.server))
    const secrets = pki(materials.insider)
    const signsAsItself: Secrets = {
      mode: secrets.mode,
      signer: use => secrets.signer({ ...use, issuer: materials.insider.serverID }),
      verifier: use => secrets.verifier(use),
      sessionSecret: keyID => secrets.sessionSecret(keyID),
      onChange: listener => secrets.onChange(listener),
    }
    const claimed = { issuer: materials.victim.serverID }
    const impostor: Tokens = () => {
      const engine = tokens({ secrets: signsAsItself })
      const { encodingCode } = engine
      return {
        encoding,
        encodingCode,
        issue: claims => engine.issue({ ...claims, ...claimed }),
        verify: record => engine.verify(record),
      }
    }
    await startClient(secrets, { tokens: impostor })
    await expectSilence(server, 'token')
  })

  it('flaw 6: a node that signs nothing is not taken for one that cannot yet', async () => {
    const server = await startServer(pki(materials.server))
    await startClient(nullSecrets({ allow: true }))
    await expectSilence(server, 'mode')
  })

  it('flaw 6: the holder of a pre-shared key is none of a PKI’s', async () => {
    const server = await startServer(pki(materials.server))
    await startClient(psk())
    await expectSilence(server, 'mode')
  })

  it('flaw 10: the port that a connection asked for opens no other for the next one', async () => {
    const server = await startServer(psk())
    await startClient(psk())
    for (let round = 0; round < 3; round++) {
      expect(await connect(PORT)).toMatchObject({ connected: true })
      expect(await connect(OTHER_PORT)).toMatchObject({ connected: false, error: 'ECONNREFUSED' })
    }
    const toOther = server.flows.filter(flow => flow.destination.port === OTHER_PORT)
    expect(toOther.map(({ verdict, reason }) => `${verdict} ${reason}`)).toEqual(
      Array.from({ length: 3 }, () => 'reject policy'),
    )
  })

  it.each(['psk', 'pki'] as const)('flaw 17: a record for a year is refused, over %s', async kind => {
    const server = await startServer(kind === 'psk' ? psk() : pki(materials.server))
    await startClient(kind === 'psk' ? psk() : pki(materials.insider), {
      tokens: forging(tokens, (claims, engine) =>
        engine.issue({ ...claims, notAfter: claims.notBefore + YEAR_S }),
      ),
    })
    await expectSilence(server, 'token')
  })

  it.each(['psk', 'pki'] as const)('flaw 23: a tag like the port tag opens nothing, over %s', async kind => {
    const server = await startServer(kind === 'psk' ? psk() : pki(materials.server))
    await startClient(kind === 'psk' ? psk() : pki(materials.insider), {
      tokens: forging(tokens, (claims, engine) =>
        engine.issue({ ...claims, tags: [...claims.tags, { key: PORT_TAG, value: String(PORT) }] }),
      ),
    })
    await expectSilence(server, 'token')
  })
})

interface NodeOf {
  readonly secrets: Secrets
  readonly tokens: Tokens
  readonly app: string
}

interface Client {
  readonly serverID?: string
  readonly tokens?: Tokens
  readonly app?: string
}

describe('flaw 17: a record leaves only for the trireme networks', () => {
  const teardown = new Teardown()
  afterAll(() => teardown.run())

  it('flaw 17: a SYN to any other address carries nothing, on its resends neither', async () => {
    const hosts = teardown.own(await makeTwoHosts())
    await hosts.a.namespace.run(['ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'eth0'])
    await hosts.b.namespace.run(['ip', 'addr', 'add', '192.0.2.2/24', 'dev', 'eth0'])
    const wire = teardown.own(await PacketCapture.start(hosts.a.namespace, 'eth0', PORT))
    teardown.own(
      await startNode({
        serverID: `outside-${process.pid}`,
        host: hosts.a,
        secrets: pskSecrets({ key: PSK }),
        tokens: binaryTokens(),
        identity: [{ key: 'app', value: 'frontend' }],
        receiverRules: [],
        transmitterRules: [TO_ALL],
        applicationACLs: [
          { name: 'anywhere', networks: ['0.0.0.0/0'], ports: [], protocol: 'tcp', action: 'accept' },
        ],
      }),
    )
    const dial = async (address: string) =>
      teardown.own(await connectPlainly(hosts.a, { address, port: PORT, timeoutMs: DROPPED_AFTER_MS }))
    await dial('192.0.2.2')
    const outside = await wire.first(({ flags }) => flags === 'S')
    expect(outside).toMatchObject({ length: 0 })
    expect(outside.options).not.toContain('exp-5472')
    const seen = wire.segments().length
    await dial(hosts.b.addresses.IPv4)
    const inside = await eventually('a SYN to a trireme network', () =>
      wire
        .segments()
        .slice(seen)
        .find(({ flags }) => flags === 'S'),
    )
    expect(inside.length).toBeGreaterThan(100)
    expect(inside.options).toContain('exp-5472')
  })
})
