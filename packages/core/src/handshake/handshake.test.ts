import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { RecordSigner, Secrets, TokenEngine } from '../plugin.js'
import { manualClock } from '../testing/manual-clock.js'
import { newTestTokenEngine } from '../testing/test-token-engine.js'
import { Handshake } from './handshake.js'
import type { HandshakeKeys } from './key-schedule.js'
import type { PeerRecord } from './record-verifier.js'

const clock = manualClock()
/** The key ID that the test engine gives every record it reads. */
const KEY_ID = 'test'

let sessionSecrets: Map<string, Uint8Array>
let mode: Secrets['mode'] = 'psk'

function secrets(): Secrets {
  return {
    mode,
    signer: (): RecordSigner => ({ algorithm: 'none', keyID: KEY_ID }),
    verifier: () => 'token',
    sessionSecret: keyID => sessionSecrets.get(keyID),
    onChange: () => () => {},
  }
}

function node(serverID: string, engine: TokenEngine = newTestTokenEngine()): Handshake {
  return new Handshake({ serverID, engine, secrets: secrets(), now: clock.now, onError: () => {} })
}

async function withRecord(handshake: Handshake) {
  await handshake.issuer.add('pu', { puID: 'pu', tags: [] })
  return handshake.issuer.current('pu')!
}

const hexOf = (keys: HandshakeKeys | undefined) =>
  keys && { server: keys.server.export().toString('hex'), client: keys.client.export().toString('hex') }

beforeEach(() => {
  mode = 'psk'
  sessionSecrets = new Map([[KEY_ID, Buffer.alloc(32, 5)]])
})

async function pair() {
  const a = node('host-a')
  const b = node('host-b')
  const ownA = await withRecord(a)
  const ownB = await withRecord(b)
  const peerA = b.verifier.verify(ownA.bytes) as PeerRecord
  const peerB = a.verifier.verify(ownB.bytes) as PeerRecord
  return { a, b, ownA, ownB, peerA, peerB }
}

describe('the keys of a pair of records', () => {
  it('are the same at both ends and differ when the roles are exchanged', async () => {
    const { a, b, ownA, ownB, peerA, peerB } = await pair()
    const asClient = hexOf(a.keysAsClient(ownA, peerB))
    expect(asClient).toBeDefined()
    expect(hexOf(b.keysAsServer(ownB, peerA))).toEqual(asClient)
    const asServer = hexOf(a.keysAsServer(ownA, peerB))
    expect(asServer).not.toEqual(asClient)
    expect(hexOf(b.keysAsClient(ownB, peerA))).toEqual(asServer)
  })

  it('are computed once: a warm connection does no Diffie-Hellman', async () => {
    const { a, ownA, peerB } = await pair()
    const first = a.keysAsClient(ownA, peerB)
    expect(a.keysAsClient(ownA, peerB)).toBe(first)
    expect(a.coldKeys).toBe(1)
    a.keysAsServer(ownA, peerB)
    expect(a.coldKeys).toBe(2)
  })

  it('are refused with a pre-shared key that nobody has', async () => {
    const { a, ownA, peerB } = await pair()
    sessionSecrets.clear()
    expect(a.keysAsClient(ownA, peerB)).toBeUndefined()
    expect(a.keysAsServer(ownA, peerB)).toBeUndefined()
  })

  it('need no session secret with certificates', async () => {
    mode = 'pki'
    sessionSecrets.clear()
    const { a, ownA, peerB } = await pair()
    expect(a.keysAsClient(ownA, peerB)).toBeDefined()
  })

  it('exist for a PU that calls itself', async () => {
    const { a, ownA } = await pair()
    const itself = a.verifier.verify(ownA.bytes) as PeerRecord
    expect(a.issuer.isOwn(itself.hash)).toBe(true)
    expect(hexOf(a.keysAsClient(ownA, itself))).toEqual(hexOf(a.keysAsServer(ownA, itself)))
  })

  it('are refused for a peer key of low order', async () => {
    const { a, ownA, peerB } = await pair()
    const lowOrder = { ...peerB, claims: { ...peerB.claims, ephemeralKey: new Uint8Array(32) } }
    expect(a.keysAsClient(ownA, lowOrder)).toBeUndefined()
  })

  it('go with the secrets, and our own records are renewed', async () => {
    const { a, ownA, peerB } = await pair()
    const before = hexOf(a.keysAsClient(ownA, peerB))
    sessionSecrets.set(KEY_ID, Buffer.alloc(32, 6))
    await a.secretsChanged()
    expect(a.issuer.current('pu')).not.toBe(ownA)
    expect(hexOf(a.keysAsClient(ownA, peerB))).not.toEqual(before)
    expect(a.verifier.coldVerifications).toBe(1)
    a.verifier.verify((await pair()).ownB.bytes)
    expect(a.verifier.coldVerifications).toBe(2)
  })
})

describe('nonces', () => {
  it('flaw 14: are 16 bytes that never repeat, whatever the clock and Math.random say', () => {
    vi.spyOn(Math, 'random').mockReturnValue(0)
    const handshakes = [node('host-a'), node('host-a')]
    const nonces = handshakes.flatMap(handshake => Array.from({ length: 5000 }, () => handshake.nonce()))
    vi.restoreAllMocks()
    expect(nonces.every(nonce => nonce.length === 16)).toBe(true)
    expect(new Set(nonces.map(nonce => Buffer.from(nonce).toString('hex'))).size).toBe(10_000)
  })

  it('flaw 14: have every bit as often set as not', () => {
    const handshake = node('host-a')
    const ones = new Array<number>(128).fill(0)
    for (let count = 0; count < 4000; count++) {
      const nonce = handshake.nonce()
      for (let bit = 0; bit < 128; bit++) ones[bit]! += (nonce[bit >> 3]! >> (bit & 7)) & 1
    }
    // Ten standard deviations: 2,000 ± 316.
    for (const count of ones) expect(Math.abs(count - 2000)).toBeLessThan(316)
  })

  it('are copies: what one connection does with its own touches no other', () => {
    const handshake = node('host-a')
    const first = handshake.nonce()
    const kept = Buffer.from(first).toString('hex')
    for (let count = 0; count < 1000; count++) handshake.nonce().fill(0)
    expect(Buffer.from(first).toString('hex')).toBe(kept)
  })
})
