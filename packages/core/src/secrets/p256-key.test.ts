import { createHash, createPublicKey, ECDH, generateKeyPairSync } from 'node:crypto'
import { expect, it } from 'vitest'
import { compressP256Key, decompressP256Key, p256Fault, p256KeyID } from './p256-key.js'

it('compresses a key and gives it back, one ID in either form', () => {
  for (let i = 0; i < 20; i++) {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const point = compressP256Key(publicKey)
    const spki = publicKey.export({ type: 'spki', format: 'der' })
    const expected = ECDH.convertKey(spki.subarray(26), 'prime256v1', undefined, undefined, 'compressed')
    expect(Buffer.from(point)).toEqual(expected)
    const again = decompressP256Key(point)!
    expect(again.equals(publicKey)).toBe(true)
    expect(p256Fault(again)).toBeUndefined()
    const id = createHash('sha256').update(spki).digest('hex').slice(0, 16)
    expect([p256KeyID(publicKey), p256KeyID(again)]).toEqual([id, id])
  }
})

it('finds no key in what is no compressed point', () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const point = compressP256Key(publicKey)
  expect(decompressP256Key(point.subarray(1))).toBeUndefined()
  expect(decompressP256Key(new Uint8Array(33))).toBeUndefined()
  expect(decompressP256Key(Uint8Array.from([2, ...Array(32).fill(0xff)]))).toBeUndefined()
  expect(decompressP256Key(Uint8Array.from([4, ...point.subarray(1)]))).toBeUndefined()
})

it('knows a curve by its name alone', () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' })
  expect(p256Fault(createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })))).toMatch(/explicit/)
})
