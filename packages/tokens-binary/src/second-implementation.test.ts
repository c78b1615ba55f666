/** Records signed with P-256, checked against another implementation and against how they are drawn. */
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { p256 } from '@noble/curves/nist.js'
import type { RecordSigner, Secrets } from '@trireme/core'
import { expect, it } from 'vitest'
import { binaryTokens } from './binary-tokens.js'

const PREFIX = Buffer.from('trireme/1 record binary\0')
const SIGNATURE_BYTES = 64

it('another implementation verifies a record and signs one', () => {
  const { secretKey, publicKey } = p256.keygen()
  const point = p256.getPublicKey(secretKey, false)
  const [x, y, d] = [point.subarray(1, 33), point.subarray(33), secretKey].map(part =>
    Buffer.from(part).toString('base64url'),
  )
  const key = createPrivateKey({ key: { kty: 'EC', crv: 'P-256', x: x!, y: y!, d: d! }, format: 'jwk' })
  const signer: RecordSigner = { algorithm: 'ES256', keyID: '0123456789abcdef', key }
  const secrets: Secrets = {
    mode: 'pki-prepopulated',
    signer: () => signer,
    verifier: () => ({ algorithm: 'ES256', key: createPublicKey(key), notAfter: 2_000_000_000 }),
    sessionSecret: () => undefined,
    onChange: () => () => {},
  }
  const engine = binaryTokens()({ secrets })
  const claims = {
    ...{ issuer: 'host-a', puID: 'web-1', tags: [{ key: 'app', value: 'web' }] },
    ...{ ephemeralKey: new Uint8Array(32), notBefore: 1_700_000_000, notAfter: 1_700_000_180 },
  }
  const record = engine.issue(claims)
  const body = record.subarray(0, -SIGNATURE_BYTES)
  const signed = Buffer.concat([PREFIX, body])
  expect(p256.verify(record.subarray(-SIGNATURE_BYTES), signed, publicKey)).toBe(true)
  expect(engine.verify(Buffer.concat([body, p256.sign(signed, secretKey)]))).toMatchObject({
    issuer: 'host-a',
  })
  expect(engine.verify(Buffer.concat([body, p256.sign(body, secretKey)]))).toBe('token')
})
