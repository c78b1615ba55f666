/** Attacks that the handshake withstands, each against it and against one in which the construction that stops it is missing. */
import { describe, expect, it } from 'vitest'
import type { TokenEngine } from '../plugin.js'
import {
  clientMAC,
  deriveHandshakeKeys,
  ephemeralKeyFrom,
  type HandshakeKeys,
  type KeyScheduleInput,
  macEquals,
  serverMAC,
  sha256,
  transcriptHash,
} from './key-schedule.js'
import { ackHeader, encodeSyn, encodeSynAck, MAC_BYTES, NONCE_BYTES, signedPart, suite } from './overlay.js'
import { RecordVerifierCache } from './record-verifier.js'

/** What the handshake is made of. */
interface Construction {
  readonly h1: (syn: Uint8Array) => Buffer
  readonly h2: (h1: Buffer, signedSynAck: Uint8Array) => Buffer
  readonly keys: (input: KeyScheduleInput) => HandshakeKeys | undefined
  /** Whether the client goes on after this MAC_s. */
  readonly mayGoOn: (expected: Buffer, received: Uint8Array) => boolean
}

const SOUND: Construction = { h1: sha256, h2: transcriptHash, keys: deriveHandshakeKeys, mayGoOn: macEquals }

const SYN_NONCE_AT = 8
const SYN_ADDRESS_AT = SYN_NONCE_AT + NONCE_BYTES
const OWN = suite('psk', 1)
const CLIENT = {
  key: ephemeralKeyFrom(new Uint8Array(32).fill(1)),
  record: Buffer.from('record of the client'),
}
const SERVER = {
  key: ephemeralKeyFrom(new Uint8Array(32).fill(2)),
  record: Buffer.from('record of the server'),
}

const keysOf = (construction: Construction, own = CLIENT, peer = SERVER, isClient = true) =>
  construction.keys({
    suite: OWN,
    ownPrivateKey: own.key.privateKey,
    peerPublicKey: peer.key.publicKey,
    sessionSecret: new Uint8Array(32).fill(3),
    clientRecordHash: sha256((isClient ? own : peer).record),
    serverRecordHash: sha256((isClient ? peer : own).record),
  })!

interface Wire {
  /** What somebody on the way makes of each packet. */
  readonly syn?: (syn: Uint8Array) => Uint8Array
  readonly synAck?: (synAck: Uint8Array) => Uint8Array
  readonly ack?: (mac: Buffer) => Buffer
  readonly nonces?: readonly [number, number]
}

/** Whether client and server end up connected, and what the client answered with. */
function connect(construction: Construction, wire: Wire = {}) {
  const { syn: onSyn = same, synAck: onSynAck = same, ack: onAck = same, nonces = [1, 2] } = wire
  const [nonceOfClient, nonceOfServer] = nonces.map(fill => new Uint8Array(NONCE_BYTES).fill(fill))
  const dialledAddress = new Uint8Array(16).fill(9)
  const sent = encodeSyn(OWN, {
    nonce: nonceOfClient!,
    dialledAddress,
    dialledPort: 80,
    record: CLIENT.record,
  })

  const serverKeys = keysOf(construction, SERVER, CLIENT, false)
  const answer = encodeSynAck(OWN, nonceOfServer!, SERVER.record)
  const h2 = construction.h2(construction.h1(onSyn(sent)), signedPart(answer))
  const macOfServer = serverMAC(serverKeys, h2)
  answer.set(macOfServer, answer.length - MAC_BYTES)

  const received = onSynAck(Uint8Array.from(answer))
  const clientKeys = keysOf(construction)
  const seen = construction.h2(construction.h1(sent), signedPart(received))
  const macReceived = received.subarray(received.length - MAC_BYTES)
  const goesOn = construction.mayGoOn(serverMAC(clientKeys, seen), macReceived)
  const mac = clientMAC(clientKeys, seen, macReceived, ackHeader(OWN))
  const expected = clientMAC(serverKeys, h2, macOfServer, ackHeader(OWN))
  return { goesOn, isAuthorized: macEquals(expected, onAck(mac)), mac }
}

function same<T>(bytes: T): T {
  return bytes
}

function flip(at: number) {
  return (bytes: Uint8Array) => bytes.map((byte, index) => (index === at ? byte ^ 1 : byte))
}

describe('the handshake', () => {
  it('connects two nodes', () => {
    expect(connect(SOUND)).toMatchObject({ goesOn: true, isAuthorized: true })
  })

  it('stops at any change of SYN or SYN-ACK (flaw 4)', () => {
    for (let at = 0; at < SYN_ADDRESS_AT + 18 + CLIENT.record.length; at++) {
      expect(connect(SOUND, { syn: flip(at) }), `SYN ${at}`).toMatchObject({
        goesOn: false,
        isAuthorized: false,
      })
    }
    for (let at = 0; at < 24 + SERVER.record.length + MAC_BYTES; at++) {
      expect(connect(SOUND, { synAck: flip(at) }), `SYN-ACK ${at}`).toMatchObject({ goesOn: false })
    }
  })
})

/** Each attack answers whether it succeeded. */
const ATTACKS: Readonly<Record<string, (construction: Construction) => boolean>> = {
  'the ACK of an earlier connection is replayed'(construction) {
    const earlier = connect(construction, { nonces: [1, 2] })
    return connect(construction, { nonces: [3, 4], ack: () => earlier.mac }).isAuthorized
  },
  'the SYN is redirected to another address'(construction) {
    return connect(construction, { syn: flip(SYN_ADDRESS_AT) }).goesOn
  },
  'the SYN-ACK is answered by somebody without keys'(construction) {
    return connect(construction, { synAck: synAck => synAck.fill(0, synAck.length - MAC_BYTES) }).goesOn
  },
  'a MAC made in one role serves in the other'(construction) {
    const { server, client } = keysOf(construction)
    return server.equals(client)
  },
  'the keys of one direction serve in the other'(construction) {
    const [ours, theirs] = [keysOf(construction, CLIENT, SERVER), keysOf(construction, SERVER, CLIENT)]
    return ours.server.equals(theirs.server) || ours.client.equals(theirs.client)
  },
  'another encoding of the same PUs has the same keys'(construction) {
    const other = {
      ...SOUND,
      keys: (input: KeyScheduleInput) => construction.keys({ ...input, suite: suite('psk', 2) }),
    }
    return keysOf(construction).server.equals(keysOf(other).server)
  },
}

const sameKeys = ({ server }: HandshakeKeys): HandshakeKeys => ({ server, client: server })
const sorted = (a: Uint8Array, b: Uint8Array) => [a, b].sort(Buffer.compare) as [Uint8Array, Uint8Array]

/** By the attack that it falls to. */
const WEAK: readonly (readonly [
  missing: string,
  attack: keyof typeof ATTACKS,
  construction: Construction,
])[] = [
  [
    'nonces outside the MAC',
    'the ACK of an earlier connection is replayed',
    {
      ...SOUND,
      h1: syn => sha256(syn.subarray(SYN_ADDRESS_AT)),
      h2: (h1, signed) => sha256(h1, signed.subarray(SYN_ADDRESS_AT)),
    },
  ],
  [
    'records alone in the MAC',
    'the SYN is redirected to another address',
    { ...SOUND, h1: syn => sha256(syn.subarray(SYN_ADDRESS_AT + 18)) },
  ],
  [
    'the SYN-ACK unchecked',
    'the SYN-ACK is answered by somebody without keys',
    { ...SOUND, mayGoOn: () => true },
  ],
  [
    'no role label',
    'a MAC made in one role serves in the other',
    { ...SOUND, keys: input => sameKeys(deriveHandshakeKeys(input)!) },
  ],
  [
    'records in no order',
    'the keys of one direction serve in the other',
    {
      ...SOUND,
      keys(input) {
        const [clientRecordHash, serverRecordHash] = sorted(input.clientRecordHash, input.serverRecordHash)
        return deriveHandshakeKeys({ ...input, clientRecordHash, serverRecordHash })
      },
    },
  ],
  [
    'the suite outside the keys',
    'another encoding of the same PUs has the same keys',
    { ...SOUND, keys: input => deriveHandshakeKeys({ ...input, suite: suite('null', 1) }) },
  ],
]

describe('attacks on the handshake', () => {
  it.each(Object.entries(ATTACKS))('fail: %s', (_, attack) => {
    expect(attack(SOUND)).toBe(false)
  })

  it.each(WEAK)('succeed with %s: %s', (_, attack, construction) => {
    expect(connect(construction).isAuthorized).toBe(true)
    expect(ATTACKS[attack]!(construction)).toBe(true)
  })
})

describe('the cache of verified records (flaw 3)', () => {
  const [claims, ours, theirs] = [
    'claims of the victim;',
    'certificate of the victim',
    'certificate of an insider',
  ]
  const engine: TokenEngine = {
    encoding: 'test',
    encodingCode: 15,
    issue: () => new Uint8Array(0),
    verify: record => (Buffer.from(record).toString() === claims + ours ? VICTIM : 'token'),
  }
  const VICTIM = {
    ...{ issuer: 'host-a', puID: 'victim', tags: [], ephemeralKey: new Uint8Array(32) },
    ...{ notBefore: 1_000, notAfter: 1_180, keyID: 'key', signerNotAfter: 2_000 },
  }
  type Cache = Pick<RecordVerifierCache, 'verify'>

  const insiderGetsThrough = (cache: Cache) => {
    cache.verify(Buffer.from(claims + ours))
    return typeof cache.verify(Buffer.from(claims + theirs)) !== 'string'
  }

  it('knows a record by all of its bytes, those of its signer included', () => {
    expect(insiderGetsThrough(new RecordVerifierCache({ engine, now: () => 1_100_000 }))).toBe(false)
  })

  it('would let an insider through if it knew a record by its claims alone', () => {
    const sound = new RecordVerifierCache({ engine, now: () => 1_100_000 })
    const known = new Map<string, ReturnType<RecordVerifierCache['verify']>>()
    const weak: Cache = {
      verify(record) {
        const key = Buffer.from(record).toString().split(';')[0]!
        const answer = known.get(key) ?? sound.verify(record)
        known.set(key, answer)
        return answer
      },
    }
    expect(insiderGetsThrough(weak)).toBe(true)
  })
})
