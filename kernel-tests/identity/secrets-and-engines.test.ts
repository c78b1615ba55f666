/** Records of both engines over every kind of secrets, at the level of tokens: no kernel, no root. */
import {
  type AuthMode,
  clientMAC,
  encodeSyn,
  generateEphemeralKey,
  Handshake,
  MAX_RECORD_BYTES,
  type PeerRecord,
  type PKISecrets,
  parseSyn,
  pemBlocks,
  pkiSecrets,
  type RecordClaims,
  type Secrets,
  suite,
  type TokenEngine,
} from '@trireme/core'
import { manualClock } from '@trireme/core/testing'
import { binaryTokens } from '@trireme/tokens-binary'
import { jwtTokens } from '@trireme/tokens-jwt'
import { describe, expect, it } from 'vitest'
import {
  type Material,
  NOW_MS,
  newAuthority,
  newMaterial,
  SECRET_KINDS,
  type SecretKind,
  secretsFor,
} from './secret-kinds.js'
import { withOtherCredential } from './with-other-credential.js'

const ca = await newAuthority('CA')
const [materialA, materialB, materialC] = await Promise.all([
  newMaterial(ca, 'host-a'),
  newMaterial(ca, 'host-b'),
  newMaterial(ca, 'host-c'),
])
const NODES = [materialA, materialB, materialC]

const ENGINES = { binary: binaryTokens(), jwt: jwtTokens() } as const
type EngineName = keyof typeof ENGINES
const ENGINE_NAMES = Object.keys(ENGINES) as EngineName[]
const COMBINATIONS = SECRET_KINDS.flatMap(kind => ENGINE_NAMES.map(engine => ({ kind, engine })))
const SIGNED = COMBINATIONS.filter(({ kind }) => kind !== 'null')
const ON_THE_WIRE = COMBINATIONS.filter(({ kind }) => kind === 'pki' || kind === 'compact-pki')

interface Node {
  readonly secrets: Secrets
  readonly engine: TokenEngine
  readonly handshake: Handshake
}

interface Combination {
  readonly kind: SecretKind
  readonly engine: EngineName
}

function newNode({ kind, engine: name }: Combination, material: Material, clock = manualClock()): Node {
  const secrets = secretsFor(kind, material, { ca, others: NODES, now: clock.now })
  return nodeWith(name, secrets, { serverID: material.serverID, clock })
}

function nodeWith(
  name: EngineName,
  secrets: Secrets,
  { serverID, clock = manualClock() }: { serverID: string; clock?: ReturnType<typeof manualClock> },
): Node {
  const engine = ENGINES[name]({ secrets })
  const onError = (_: string, error: unknown) => {
    throw error
  }
  const handshake = new Handshake({ serverID, engine, secrets, now: clock.now, onError })
  secrets.onChange(() => void handshake.secretsChanged())
  return { secrets, engine, handshake }
}

const NOW_S = NOW_MS / 1000

function claimsOf(issuer: string, differences: Partial<RecordClaims> = {}): RecordClaims {
  return {
    issuer,
    puID: 'web-1',
    tags: [{ key: 'app', value: 'web' }],
    ephemeralKey: generateEphemeralKey().publicKey,
    notBefore: NOW_S,
    notAfter: NOW_S + 180,
    ...differences,
  }
}

const subject = { puID: 'web-1', tags: [{ key: 'app', value: 'web' }] }

describe.each(COMBINATIONS)('$engine over $kind', combination => {
  it('issues what the peer takes, and both ends derive the same keys', async () => {
    const [a, b] = [newNode(combination, materialA), newNode(combination, materialB)]
    await a.handshake.issuer.add('web', subject)
    await b.handshake.issuer.add('db', subject)
    const [ownA, ownB] = [a.handshake.issuer.current('web')!, b.handshake.issuer.current('db')!]
    const peerB = (await a.handshake.verifier.verify(ownB.bytes)) as PeerRecord
    const peerA = (await b.handshake.verifier.verify(ownA.bytes)) as PeerRecord
    expect(peerA.claims).toMatchObject({
      issuer: 'host-a',
      puID: 'web-1',
      tags: subject.tags,
      keyID: ownA.keyID,
    })
    const [client, server] = [a.handshake.keysAsClient(ownA, peerB)!, b.handshake.keysAsServer(ownB, peerA)!]
    const mac = (keys: typeof client) =>
      clientMAC(keys, Buffer.from('h2'), Buffer.from('mac'), Buffer.from('header'))
    expect(mac(client)).toEqual(mac(server))
    await b.handshake.verifier.verify(ownA.bytes)
    expect(b.handshake.verifier.coldVerifications).toBe(1)
  })

  it('is refused by every other kind of secrets', async () => {
    const record = await newNode(combination, materialB).engine.issue(claimsOf('host-b'))
    for (const kind of SECRET_KINDS) {
      const receiver = newNode({ ...combination, kind }, materialA)
      const expected = kind === combination.kind ? expect.objectContaining({ issuer: 'host-b' }) : 'token'
      expect(await receiver.engine.verify(record), `${combination.kind} to ${kind}`).toEqual(expected)
    }
  })

  it('lets clocks differ by 20 s and not by 10 min', async () => {
    const record = await newNode(combination, materialB).engine.issue(claimsOf('host-b'))
    for (const [offset, expected] of [
      [-20, 'object'],
      [200, 'object'],
      [-600, 'clock'],
      [780, 'clock'],
    ] as const) {
      const clock = manualClock(NOW_MS + offset * 1000)
      const answer = await newNode(combination, materialA, clock).handshake.verifier.verify(record)
      expect(typeof answer === 'object' ? 'object' : answer, `${offset} s`).toBe(expected)
    }
  })

  it('flaw 17: refuses a record that lives longer than 300 s', async () => {
    const receiver = newNode(combination, materialA).handshake.verifier
    const { engine } = newNode(combination, materialB)
    const year = claimsOf('host-b', { notAfter: NOW_S + 365 * 86_400 })
    expect(await receiver.verify(await engine.issue(year))).toBe('token')
    expect(await receiver.verify(await engine.issue(claimsOf('host-b', { notAfter: NOW_S + 301 })))).toBe(
      'token',
    )
    expect(
      await receiver.verify(await engine.issue(claimsOf('host-b', { notAfter: NOW_S + 300 }))),
    ).toBeTypeOf('object')
  })

  it('flaw 23: refuses a record whose tags look like the verifier’s own, and issues none', async () => {
    const receiver = newNode(combination, materialA).handshake
    const { engine, handshake } = newNode(combination, materialB)
    for (const key of ['@sys:port', '@sys:issuer', '@', '$namespace']) {
      const tags = [{ key, value: '22' }]
      expect(await receiver.verifier.verify(await engine.issue(claimsOf('host-b', { tags }))), key).toBe(
        'token',
      )
      await expect(handshake.issuer.add('web', { puID: 'web', tags })).rejects.toMatchObject({
        code: 'ERR_INVALID_TAG',
      })
    }
  })
})

describe.each(SIGNED)('$engine over $kind', combination => {
  it('accepts no record with a byte changed, missing or added', async () => {
    const receiver = newNode(combination, materialA).engine
    const record = await newNode(combination, materialB).engine.issue(claimsOf('host-b'))
    for (let at = 0; at < record.length; at++) {
      const changed = Uint8Array.from(record)
      changed[at]! ^= 1
      expect(await receiver.verify(changed), `changed at ${at}`).toSatisfy(isRefusal)
      if (at % 7 === 0)
        expect(await receiver.verify(record.subarray(0, at)), `cut at ${at}`).toSatisfy(isRefusal)
    }
    expect(await receiver.verify(Uint8Array.from([...record, record[0]!]))).toSatisfy(isRefusal)
  })
})

describe.each(SIGNED.filter(({ kind }) => kind !== 'psk'))('$engine over $kind', combination => {
  it('accepts no issuer but the one whose key signed', async () => {
    const receiver = newNode(combination, materialA).engine
    expect(await receiver.verify(await impostorRecord(combination, 'host-b'))).toBe('token')
    expect(await receiver.verify(await impostorRecord(combination, 'host-c'))).toMatchObject({
      issuer: 'host-c',
    })
  })
})

const isRefusal = (answer: unknown) => typeof answer === 'string'

/** A record of `issuer` that host-c signs with its own key, and vouches for with its own credential. */
async function impostorRecord({ kind, engine }: Combination, issuer: string): Promise<Uint8Array> {
  const { secrets } = newNode({ kind, engine }, materialC)
  const signer = () => secrets.signer({ issuer: 'host-c', encoding: engine })
  const impostor: Secrets = { ...bare(secrets), signer }
  return ENGINES[engine]({ secrets: impostor }).issue(claimsOf(issuer))
}

function bare(secrets: Secrets): Secrets {
  return {
    mode: secrets.mode,
    signer: use => secrets.signer(use),
    verifier: use => secrets.verifier(use),
    sessionSecret: keyID => secrets.sessionSecret(keyID),
    onChange: listener => secrets.onChange(listener),
  }
}

describe.each(ON_THE_WIRE)('flaw 3: $engine over $kind', combination => {
  it('a victim’s record with an insider’s credential is refused, also when the victim’s own is remembered', async () => {
    const receiver = newNode(combination, materialA).handshake.verifier
    const victim = newNode(combination, materialB)
    const insider = newNode(combination, materialC)
    const record = await victim.engine.issue(claimsOf('host-b'))
    const genuine = (await receiver.verify(record)) as PeerRecord
    expect(genuine.claims.issuer).toBe('host-b')
    const credentials = [victim, insider].map(
      ({ secrets }, i) =>
        secrets.signer({ issuer: ['host-b', 'host-c'][i]!, encoding: combination.engine }).credential!,
    )
    const swapped = withOtherCredential(combination.engine, record, credentials as [Uint8Array, Uint8Array])
    expect(Buffer.from(swapped).equals(record)).toBe(false)
    expect(await receiver.verify(swapped)).toBe('token')
    expect(await receiver.verify(await impostorRecord(combination, 'host-b'))).toBe('token')
    expect(await receiver.verify(record)).toBe(genuine)
  })
})

it('flaw 6: a SYN of one mode is never read as one of another', () => {
  const modes: readonly AuthMode[] = SECRET_KINDS
  for (const sent of modes) {
    const syn = encodeSyn(suite(sent, 1), {
      nonce: new Uint8Array(16),
      dialledAddress: new Uint8Array(16),
      dialledPort: 80,
      record: Uint8Array.of(1),
    })
    for (const own of modes) {
      const expected = own === sent ? expect.objectContaining({ dialledPort: 80 }) : 'mode'
      expect(parseSyn(suite(own, 1), syn), `${sent} to ${own}`).toEqual(expected)
    }
  }
})

describe.each(ENGINE_NAMES)('rotation of the CA under %s', engine => {
  it('refuses no record while it lasts, and at once what the removed CA had vouched for', async () => {
    const next = await newAuthority('Next')
    const both = ca.certPEM + next.certPEM
    const now = manualClock().now
    const pki = (material: Material, caCertPEM: string) => pkiSecrets({ ...material, caCertPEM, now })
    const secrets: PKISecrets = pki(materialA, ca.certPEM)
    const receiver = nodeWith(engine, secrets, { serverID: 'host-a' })
    const old = nodeWith(engine, pki(materialB, both), { serverID: 'host-b' })
    const oldRecord = await old.engine.issue(claimsOf('host-b'))
    const renewedB = await newMaterial(next, 'host-b')
    const renewed = nodeWith(engine, pki(renewedB, both), { serverID: 'host-b' })
    const newRecord = await renewed.engine.issue(claimsOf('host-b'))
    const judge = async (record: Uint8Array) => {
      const answer = await receiver.handshake.verifier.verify(record)
      return typeof answer === 'string' ? answer : answer.claims.issuer
    }
    expect([await judge(oldRecord), await judge(newRecord)]).toEqual(['host-b', 'token'])
    secrets.replace({ caCertPEM: both })
    expect([await judge(oldRecord), await judge(newRecord)]).toEqual(['host-b', 'host-b'])
    const { keyPEM, certPEM } = await newMaterial(next, 'host-a')
    secrets.replace({ keyPEM, certPEM })
    expect([await judge(oldRecord), await judge(newRecord)]).toEqual(['host-b', 'host-b'])
    secrets.replace({ caCertPEM: next.certPEM })
    expect([await judge(oldRecord), await judge(newRecord)]).toEqual(['token', 'host-b'])
  })
})

it('32 tags of any length fit beside a certificate of `trireme keys node`', async () => {
  const { engine } = newNode({ kind: 'pki', engine: 'binary' }, materialB)
  const tags = Array.from({ length: 32 }, (_, i) => ({ key: `key-${i}`, value: 'v'.repeat(200 * (i + 1)) }))
  const record = await engine.issue(claimsOf('host-b', { tags }))
  const [certificate] = pemBlocks(materialB.certPEM)
  expect(Buffer.from(record).indexOf(certificate!.der)).toBeGreaterThan(0)
  expect(record.length).toBeLessThanOrEqual(MAX_RECORD_BYTES)
})
