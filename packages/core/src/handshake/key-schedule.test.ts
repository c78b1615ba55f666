import { createHmac, createPublicKey, diffieHellman } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  clientMAC,
  deriveHandshakeKeys,
  type EphemeralKey,
  ephemeralKeyFrom,
  generateEphemeralKey,
  type HandshakeKeys,
  macEquals,
  serverMAC,
  sha256,
  transcriptHash,
} from './key-schedule.js'
import { suite } from './overlay.js'

const own = suite('psk', 2)
const client = ephemeralKeyFrom(Buffer.alloc(32, 0x11))
const server = ephemeralKeyFrom(Buffer.alloc(32, 0x22))
const clientRecordHash = sha256(Buffer.from('record of the client'))
const serverRecordHash = sha256(Buffer.from('record of the server'))
const sessionSecret = Buffer.alloc(32, 0x33)

function keysOf(differences: Partial<Parameters<typeof deriveHandshakeKeys>[0]> = {}) {
  return deriveHandshakeKeys({
    suite: own,
    ownPrivateKey: client.privateKey,
    peerPublicKey: server.publicKey,
    sessionSecret,
    clientRecordHash,
    serverRecordHash,
    ...differences,
  })
}

function bytesOf(keys: HandshakeKeys | undefined): { server: string; client: string } {
  return { server: keys!.server.export().toString('hex'), client: keys!.client.export().toString('hex') }
}

/** RFC 5869 with SHA-256, one block of output: written out, sharing nothing with the code under test. */
function expectedKey(role: 's' | 'c', salt: Buffer, inputKey: Buffer): string {
  const prk = createHmac('sha256', salt).update(inputKey).digest()
  const info = Buffer.concat([Buffer.from(role), clientRecordHash, serverRecordHash, Buffer.from([1])])
  return createHmac('sha256', prk).update(info).digest('hex')
}

function ecdh(a: EphemeralKey, b: EphemeralKey): Buffer {
  return diffieHellman({ privateKey: a.privateKey, publicKey: createPublicKey(b.privateKey) })
}

describe('the key schedule', () => {
  it('is HKDF as the page has it', () => {
    const salt = sha256(Buffer.concat([Buffer.from('trireme/1'), Buffer.from([1, 2])]))
    const inputKey = Buffer.concat([ecdh(client, server), sessionSecret])
    expect(bytesOf(keysOf())).toEqual({
      server: expectedKey('s', salt, inputKey),
      client: expectedKey('c', salt, inputKey),
    })
    expect(bytesOf(keysOf({ sessionSecret: undefined })).server).toBe(
      expectedKey('s', salt, ecdh(client, server)),
    )
  })

  it('never changes: golden keys', () => {
    expect(bytesOf(keysOf())).toMatchInlineSnapshot(`
      {
        "client": "efcec9e948d6605a960725bea9df676a48ac424dd3a9e2444d5e8e324ac48182",
        "server": "c8dfcab9324861fb5f3557dd248c16e6d2061efc2156d859cb3ce2951efe98bc",
      }
    `)
  })

  it('gives both ends the same keys', () => {
    const other = keysOf({ ownPrivateKey: server.privateKey, peerPublicKey: client.publicKey })
    expect(bytesOf(other)).toEqual(bytesOf(keysOf()))
  })

  it('gives another key for each role, order of records, suite, secret and ephemeral key', () => {
    const swapped = { clientRecordHash: serverRecordHash, serverRecordHash: clientRecordHash }
    const variants = [
      keysOf(),
      keysOf(swapped),
      keysOf({ suite: suite('pki', 2) }),
      keysOf({ suite: suite('psk', 1) }),
      keysOf({ sessionSecret: undefined }),
      keysOf({ sessionSecret: Buffer.alloc(32, 0x34) }),
      keysOf({ peerPublicKey: generateEphemeralKey().publicKey }),
    ].flatMap(keys => Object.values(bytesOf(keys)))
    expect(new Set(variants).size).toBe(variants.length)
  })

  it('gives the two roles different keys also where both records are the same', () => {
    const keys = bytesOf(keysOf({ serverRecordHash: clientRecordHash, peerPublicKey: client.publicKey }))
    expect(keys.server).not.toBe(keys.client)
  })
})

/** The points of order 1, 2, 4 and 8 on the curve and on its twist, also as 2^255 - 19 + x (RFC 7748 §6.1 and its errata). */
const LOW_ORDER = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]

describe('a peer key that would make the secret known is refused', () => {
  it.each(LOW_ORDER)('%s', point => {
    expect(keysOf({ peerPublicKey: Buffer.from(point, 'hex') })).toBeUndefined()
    const withTopBit = Buffer.from(point, 'hex')
    withTopBit[31]! |= 0x80
    expect(keysOf({ peerPublicKey: withTopBit })).toBeUndefined()
  })

  it.each([0, 31, 33])('one of %i bytes', length => {
    expect(keysOf({ peerPublicKey: new Uint8Array(length).fill(9) })).toBeUndefined()
  })
})

it('X25519 is the curve of RFC 7748 §6.1', () => {
  const bob = ephemeralKeyFrom(
    Buffer.from('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb', 'hex'),
  )
  expect(Buffer.from(bob.publicKey).toString('hex')).toBe(
    'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f',
  )
  const alice = Buffer.from('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a', 'hex')
  const key = { kty: 'OKP', crv: 'X25519', x: alice.toString('base64url') }
  const publicKey = createPublicKey({ key, format: 'jwk' })
  expect(diffieHellman({ privateKey: bob.privateKey, publicKey }).toString('hex')).toBe(
    '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742',
  )
})

describe('the MACs', () => {
  const keys = keysOf()!
  const h2 = transcriptHash(sha256(Buffer.from('SYN')), Buffer.from('SYN-ACK before its MAC'))
  const header = Buffer.from([1, 2, 3])

  it('flaw 5: are HMAC-SHA256 under the derived keys, not a hash beside a key', () => {
    const h1 = sha256(Buffer.from('SYN'))
    expect(h2).toEqual(sha256(Buffer.concat([h1, Buffer.from('SYN-ACK before its MAC')])))
    const macs = serverMAC(keys, h2)
    expect(macs).toEqual(createHmac('sha256', keys.server.export()).update(h2).digest())
    const expected = createHmac('sha256', keys.client.export())
      .update(Buffer.concat([h2, macs, header]))
      .digest()
    expect(clientMAC(keys, h2, macs, header)).toEqual(expected)
  })

  it('are equal only where every byte and the length are', () => {
    const mac = serverMAC(keys, h2)
    expect(macEquals(mac, Buffer.from(mac))).toBe(true)
    expect(macEquals(mac, mac.subarray(0, 31))).toBe(false)
    expect(macEquals(mac, new Uint8Array(0))).toBe(false)
    for (let bit = 0; bit < 256; bit++) {
      const flipped = Buffer.from(mac)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      expect(macEquals(mac, flipped)).toBe(false)
    }
  })
})
