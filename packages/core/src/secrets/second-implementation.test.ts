/** What node:crypto does with keys, points and signatures, checked against another implementation of the same standards. */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import { x25519 } from '@noble/curves/ed25519.js'
import { p256 } from '@noble/curves/nist.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { deriveHandshakeKeys, ephemeralKeyFrom, sha256 } from '../handshake/key-schedule.js'
import { suite } from '../handshake/overlay.js'
import { hkdfExpand, hkdfExtract } from './hkdf.js'
import { isLowS, toLowS } from './low-s.js'
import { compressP256Key, decompressP256Key, p256KeyID } from './p256-key.js'
import { signStatement } from './statement.js'

/** The other implementation is slow. */
const RUNS = 25
const SIGNED_AFTER = Buffer.from('trireme/1 statement\0')
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const hexOf = (data: Uint8Array) => Buffer.from(data).toString('hex')

/** A P-256 key of both implementations. */
function keyOf(secretKey: Uint8Array): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  const point = p256.getPublicKey(secretKey, false)
  const [x, y, d] = [point.subarray(1, 33), point.subarray(33), secretKey].map(part =>
    Buffer.from(part).toString('base64url'),
  )
  const jwk = { kty: 'EC', crv: 'P-256', x: x!, y: y!, d: d! }
  const privateKey = createPrivateKey({ key: jwk, format: 'jwk' })
  return { privateKey, publicKey: createPublicKey(privateKey) }
}

describe('P-256, here and by another implementation', () => {
  it('a point has the same 33 bytes, and the same 33 bytes are one', () => {
    for (let run = 0; run < RUNS; run++) {
      const { secretKey, publicKey } = p256.keygen()
      const key = keyOf(secretKey).publicKey
      expect(hexOf(compressP256Key(key))).toBe(hexOf(publicKey))
      expect(p256KeyID(decompressP256Key(publicKey)!)).toBe(p256KeyID(key))
    }
    const isPoint = (point: Uint8Array) => {
      try {
        return p256.Point.fromBytes(point) !== undefined
      } catch {
        return false
      }
    }
    const property = fc.property(fc.constantFrom(2, 3), bytes(32), (sign, x) => {
      const point = Uint8Array.of(sign, ...x)
      expect(decompressP256Key(point) !== undefined).toBe(isPoint(point))
    })
    fc.assert(property, { numRuns: RUNS })
  })

  it('one verifies what the other signs, and both take the same half of s', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 200 }), message => {
      const { secretKey, publicKey } = p256.keygen()
      const key = keyOf(secretKey)
      const theirs = p256.sign(message, secretKey)
      expect(isLowS(theirs)).toBe(true)
      expect(verify('sha256', message, { key: key.publicKey, dsaEncoding: 'ieee-p1363' }, theirs)).toBe(true)
      const ours = sign('sha256', message, { key: key.privateKey, dsaEncoding: 'ieee-p1363' })
      expect(p256.verify(toLowS(ours), message, publicKey)).toBe(true)
      expect(p256.verify(ours, message, publicKey)).toBe(isLowS(ours))
    })
    fc.assert(property, { numRuns: RUNS })
  })

  it('a statement is signed as it is drawn', () => {
    const ca = p256.keygen()
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const statement = { serverID: 'host-a', publicKey, notAfter: 2_000_000_000 }
    const caKey = keyOf(ca.secretKey)
    const signed = signStatement(statement, caKey.privateKey, p256KeyID(caKey.publicKey))
    const [body, signature] = [signed.subarray(0, -64), signed.subarray(-64)]
    expect(p256.verify(signature, Buffer.concat([SIGNED_AFTER, body]), ca.publicKey)).toBe(true)
  })
})

describe('X25519, here and by another implementation', () => {
  const records = { clientRecordHash: sha256(Buffer.from('c')), serverRecordHash: sha256(Buffer.from('s')) }
  const derive = (secret: Uint8Array, peerPublicKey: Uint8Array) => {
    const ownPrivateKey = ephemeralKeyFrom(secret).privateKey
    const input = {
      suite: suite('pki', 1),
      ownPrivateKey,
      peerPublicKey,
      sessionSecret: undefined,
      ...records,
    }
    return deriveHandshakeKeys(input)
  }

  it('the handshake has the same keys', () => {
    const property = fc.property(bytes(32), bytes(32), (secret, other) => {
      expect(hexOf(ephemeralKeyFrom(secret).publicKey)).toBe(hexOf(x25519.getPublicKey(secret)))
      const shared = x25519.getSharedSecret(secret, x25519.getPublicKey(other))
      const prk = hkdfExtract(sha256(Buffer.from('trireme/1'), Uint8Array.of(2, 1)), shared)
      const info = Buffer.concat([Buffer.from('c'), records.clientRecordHash, records.serverRecordHash])
      const { client } = derive(secret, x25519.getPublicKey(other))!
      expect(hexOf(client.export())).toBe(hexOf(hkdfExpand(prk, info, 32)))
    })
    fc.assert(property, { numRuns: RUNS })
  })

  it.each([
    ['zero', '00'.repeat(32)],
    ['one', `01${'00'.repeat(31)}`],
    ['order 8', 'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800'],
    ['order 8, the other', '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157'],
    ['p - 1', `ec${'ff'.repeat(30)}7f`],
    ['p', `ed${'ff'.repeat(30)}7f`],
    ['p + 1', `ee${'ff'.repeat(30)}7f`],
  ])('both refuse a point of low order: %s', (_, point) => {
    const secret = new Uint8Array(32).fill(7)
    expect(() => x25519.getSharedSecret(secret, Buffer.from(point, 'hex'))).toThrow()
    expect(derive(secret, Buffer.from(point, 'hex'))).toBeUndefined()
  })
})
