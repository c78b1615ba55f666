import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { newCA } from './certificates-suite.js'
import { toLowS } from './low-s.js'
import { compressP256Key, p256KeyID } from './p256-key.js'
import { isFault } from './secret-fault.js'
import { readStatement, signStatement, statementVouch } from './statement.js'
import { TrustStore } from './trust-store.js'

const ca = await newCA()
const caKey = createPrivateKey(ca.keyPEM)
const caKeyID = p256KeyID(createPublicKey(caKey))
const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const vouch = statementVouch(new TrustStore(ca.certPEM, 'test'))
const statement = signStatement({ serverID: 'host-a', publicKey, notAfter: 1_900_000_000 }, caKey, caKeyID)

describe('a statement', () => {
  it('has the bytes that its drawing shows', () => {
    const body = Buffer.concat([
      ...[Buffer.of(1), Buffer.from(caKeyID, 'hex'), Buffer.from('713fb300', 'hex')],
      ...[compressP256Key(publicKey), Buffer.of(6), Buffer.from('host-a')],
    ])
    expect(Buffer.from(statement.subarray(0, -64))).toEqual(body)
    expect(statement).toHaveLength(body.length + 64)
  })

  it('is read back', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
        fc.integer({ min: 0, max: 0xffff_ffff }),
        (serverID, notAfter) => {
          const bytes = signStatement({ serverID, publicKey, notAfter }, caKey, caKeyID)
          const answer = vouch(bytes)
          expect(answer).toMatchObject({ serverID, keyID: p256KeyID(publicKey) })
          expect(readStatement(bytes)).toMatchObject({ serverID, notAfter, caKeyID })
        },
      ),
      { numRuns: 30 },
    )
  })

  it('has one form: no byte can be changed, taken away or added', () => {
    for (let at = 0; at < statement.length; at++) {
      const changed = Uint8Array.from(statement)
      changed[at]! ^= 1
      expect(vouch(changed), `changed at ${at}`).toMatchObject({ reason: 'token' })
      expect(vouch(statement.subarray(0, at)), `cut at ${at}`).toMatchObject({ reason: 'token' })
    }
    expect(vouch(Uint8Array.from([...statement, 0]))).toMatchObject({ reason: 'token' })
  })

  it('never makes the reader throw', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), bytes => isFault(vouch(bytes))))
    const start = fc.constant(statement.subarray(0, 13))
    fc.assert(
      fc.property(start, fc.uint8Array({ minLength: 34, maxLength: 34 }), (head, rest) =>
        isFault(vouch(Uint8Array.from([...head, ...rest]))),
      ),
    )
  })

  it('is refused with a high s, under another prefix, and with a name that is no UTF-8', () => {
    const low = statement.subarray(-64)
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
    const s = BigInt(`0x${Buffer.from(low.subarray(32)).toString('hex')}`)
    const high = Buffer.from((order - s).toString(16).padStart(64, '0'), 'hex')
    const withHighS = Buffer.concat([statement.subarray(0, -32), high])
    expect(vouch(withHighS)).toMatchObject({ problem: expect.stringContaining('is not signed') })
    const signedAs = (prefix: string, body: Uint8Array) => {
      const data = Buffer.concat([Buffer.from(prefix), body])
      return Buffer.concat([body, toLowS(sign('sha256', data, { key: caKey, dsaEncoding: 'ieee-p1363' }))])
    }
    const body = statement.subarray(0, -64)
    expect(vouch(signedAs('trireme/1 statement\0', body))).toMatchObject({ serverID: 'host-a' })
    expect(vouch(signedAs('', body))).toMatchObject({ reason: 'token' })
    expect(vouch(signedAs('trireme/1 record binary\0', body))).toMatchObject({ reason: 'token' })
    const bad = Uint8Array.from(body)
    bad[bad.length - 1] = 0xff
    expect(vouch(signedAs('trireme/1 statement\0', bad))).toMatchObject({ problem: 'is no statement' })
  })

  it('is refused with a point that is none of the curve', () => {
    const body = Uint8Array.from(statement.subarray(0, -64))
    for (const point of [[2, ...Array(32).fill(0xff)], [4, ...Array(32).fill(1)], Array(33).fill(0)]) {
      body.set(point, 13)
      expect(readStatement(Buffer.concat([body, statement.subarray(-64)]))).toBeUndefined()
    }
  })
})
