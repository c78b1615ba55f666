import { createHmac, createSecretKey, generateKeyPairSync } from 'node:crypto'
import {
  canonicalTags,
  type DropReason,
  MAX_RECORD_BYTES,
  pskSecrets,
  type RecordClaims,
  type RecordSigner,
  type RecordVerifier,
  type Secrets,
  shortenTags,
  type VerifiedRecord,
} from '@trireme/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { binaryTokens } from './binary-tokens.js'
import { encodeRecord } from './record-codec.js'
import { signRecord } from './record-signature.js'

const { TRIREME_FUZZ_RUNS = '1000' } = process.env
const FUZZ_RUNS = Number(TRIREME_FUZZ_RUNS)
const KEY = Buffer.from('correct horse battery staple')

const CLAIMS: RecordClaims = {
  issuer: 'host-a',
  puID: 'web-1',
  tags: [
    { key: 'app', value: 'web' },
    { key: 'env', value: 'prod' },
  ],
  ephemeralKey: Uint8Array.from({ length: 32 }, (_, i) => i),
  notBefore: 1_700_000_000,
  notAfter: 1_700_000_180,
}

/** Secrets of one fixed key, as a PKI's would be: the least that an engine needs. */
function fixedSecrets(signer: RecordSigner, verifier: RecordVerifier | DropReason): Secrets {
  return {
    mode: 'pki',
    signer: () => signer,
    verifier: () => verifier,
    sessionSecret: () => undefined,
    onChange: () => () => {},
  }
}

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const KEY_ID = '0123456789abcdef'
const ecdsaSigner: RecordSigner = {
  algorithm: 'ES256',
  keyID: KEY_ID,
  key: privateKey,
  credential: Buffer.from('certificate'),
}
const ecdsaVerifier: RecordVerifier = { algorithm: 'ES256', key: publicKey, notAfter: 2_000_000_000 }

const psk = () => binaryTokens()({ secrets: pskSecrets({ key: KEY }) })
const ecdsa = () => binaryTokens()({ secrets: fixedSecrets(ecdsaSigner, ecdsaVerifier) })
const ENGINES = [
  { name: 'HS256', make: psk },
  { name: 'ES256', make: ecdsa },
]

const text = (minLength: number) => fc.string({ unit: 'binary', minLength, maxLength: 40 })
const tag = fc.record({
  key: text(1).map(key => key.replaceAll('=', '-')),
  value: fc.oneof(
    text(0),
    fc.constantFrom('', '=', 'a=b', 'a,b', '\0', '\ufeffbom', '\u{1f600}', 'é'.repeat(200)),
  ),
})
const time = fc.integer({ min: 0, max: 0xffff_ffff })
const anyClaims: fc.Arbitrary<RecordClaims> = fc.record({
  issuer: text(1),
  puID: text(1),
  tags: fc.array(tag, { maxLength: 140 }),
  ephemeralKey: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  notBefore: time,
  notAfter: time,
})

describe.each(ENGINES)('binaryTokens with $name', ({ make }) => {
  it('gives back what was issued, tags in canonical order', () => {
    const engine = make()
    const property = fc.property(anyClaims, claims => {
      const record = engine.issue(claims)
      const verified = engine.verify(record)
      const isShort = (record[1]! & 0xf0) !== 0
      const tags = isShort
        ? { tags: [], shortTags: shortenTags(claims.tags) }
        : { tags: canonicalTags(claims.tags) }
      expect(verified).toMatchObject({ ...claims, ...tags })
      expect(isShort || record.length <= MAX_RECORD_BYTES).toBe(true)
    })
    fc.assert(property, { numRuns: 100 })
  })

  it('refuses every single bit flipped', () => {
    const engine = make()
    const record = engine.issue(CLAIMS)
    for (let bit = 0; bit < record.length * 8; bit++) {
      const flipped = Uint8Array.from(record)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      expect(engine.verify(flipped), `bit ${bit}`).toBe('token')
    }
  })

  it('refuses every truncation and extension', () => {
    const engine = make()
    const record = engine.issue(CLAIMS)
    for (let length = 0; length < record.length; length++) {
      expect(engine.verify(record.subarray(0, length)), `${length} bytes`).toBe('token')
    }
    for (const extra of [[0], [0xff], [0, 0], [...record], new Array(32).fill(0)]) {
      expect(engine.verify(Uint8Array.of(...record, ...extra))).toBe('token')
      expect(engine.verify(Uint8Array.of(...extra, ...record))).toBe('token')
    }
  })

  it('is total over any bytes, and over any change of a record', () => {
    const engine = make()
    const record = engine.issue(CLAIMS)
    const change = fc.record({
      at: fc.nat(record.length),
      cut: fc.nat(8),
      put: fc.uint8Array({ maxLength: 8 }),
    })
    const changed = change.map(({ at, cut, put }) =>
      Buffer.concat([record.subarray(0, at), put, record.subarray(at + cut)]),
    )
    const begun = fc.uint8Array({ maxLength: 400 }).map(rest => Buffer.concat([record.subarray(0, 50), rest]))
    const property = fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), begun, changed), bytes => {
      if (Buffer.compare(bytes, record) !== 0) expect(engine.verify(bytes)).toBe('token')
    })
    fc.assert(property, { numRuns: FUZZ_RUNS })
  })

  it('keeps no reference to the bytes that it read', () => {
    const engine = make()
    const record = Buffer.from(engine.issue(CLAIMS))
    const verified = engine.verify(record)
    record.fill(0)
    expect(verified).toMatchObject(CLAIMS)
  })

  it('refuses a record in another encoding', () => {
    const engine = make()
    const jwt = ['{"alg":"HS256","kid":"k","typ":"JWT"}', '{"iss":"host-a","sub":"web-1"}', 'signature']
    const record = jwt.map(part => Buffer.from(part).toString('base64url')).join('.')
    expect(engine.verify(Buffer.from(record))).toBe('token')
    expect(engine.verify(new Uint8Array(0))).toBe('token')
  })

  it('reads a record that lies inside a larger buffer', () => {
    const engine = make()
    const record = engine.issue(CLAIMS)
    const larger = Buffer.concat([Buffer.alloc(7, 0xff), record, Buffer.alloc(7, 0xff)])
    expect(engine.verify(new Uint8Array(larger.buffer, larger.byteOffset + 7, record.length))).toMatchObject(
      CLAIMS,
    )
  })
})

describe('binaryTokens and the size of a record', () => {
  it('takes 86 bytes, two per tag, and the texts with a PSK', () => {
    const names = 'host-a'.length + 'web-1'.length + 'appweb'.length + 'envprod'.length
    expect(psk().issue(CLAIMS)).toHaveLength(2 + 8 + 32 + 8 + 2 + 1 + 4 + 1 + 32 + names)
  })

  it('writes lengths in one byte while they fit', () => {
    const withValue = (length: number) =>
      psk().issue({ ...CLAIMS, tags: [{ key: 'k', value: 'v'.repeat(length) }] }).length - length
    expect(withValue(127)).toBe(withValue(0))
    expect(withValue(128)).toBe(withValue(0) + 1)
  })
})

describe('binaryTokens and its keys', () => {
  it('names the key and its end', () => {
    const secrets = pskSecrets({ key: KEY })
    const verified = psk().verify(psk().issue(CLAIMS)) as VerifiedRecord
    expect(verified.keyID).toBe(secrets.signer({ issuer: 'host-a', encoding: 'binary' }).keyID)
    expect(verified.signerNotAfter).toBe(Number.MAX_SAFE_INTEGER)
    expect(ecdsa().verify(ecdsa().issue(CLAIMS))).toMatchObject({
      keyID: KEY_ID,
      signerNotAfter: 2_000_000_000,
    })
  })

  it('refuses a record under another PSK', () => {
    const other = binaryTokens()({ secrets: pskSecrets({ key: Buffer.from('another key of some length') }) })
    expect(other.verify(psk().issue(CLAIMS))).toBe('token')
    const both = { keys: [Buffer.from('another key of some length'), KEY] }
    expect(binaryTokens()({ secrets: pskSecrets(both) }).verify(psk().issue(CLAIMS))).toMatchObject(CLAIMS)
  })

  it('refuses a record that names another issuer than its key is for', () => {
    const signer = pskSecrets({ key: KEY }).signer({ issuer: 'host-b', encoding: 'binary' })
    expect(psk().verify(signRecord(encodeRecord(CLAIMS, signer), signer))).toBe('token')
  })

  it('refuses a record whose key is for another encoding', () => {
    const signer = pskSecrets({ key: KEY }).signer({ issuer: 'host-a', encoding: 'jwt' })
    expect(psk().verify(signRecord(encodeRecord(CLAIMS, signer), signer))).toBe('token')
  })

  it('hands the credential to the secrets, and their reason back', () => {
    const seen: unknown[] = []
    const secrets: Secrets = {
      ...fixedSecrets(ecdsaSigner, ecdsaVerifier),
      verifier: use => {
        seen.push(use)
        return 'clock'
      },
    }
    expect(binaryTokens()({ secrets }).verify(ecdsa().issue(CLAIMS))).toBe('clock')
    const credential = Uint8Array.from(ecdsaSigner.credential!)
    expect(seen).toEqual([{ issuer: 'host-a', encoding: 'binary', keyID: KEY_ID, credential }])
  })

  it('lets the key decide the algorithm', () => {
    const key = createSecretKey(Buffer.from(publicKey.export({ format: 'der', type: 'spki' })))
    const forged: RecordSigner = { algorithm: 'HS256', keyID: KEY_ID, key }
    const unsigned: RecordSigner = { algorithm: 'none', keyID: KEY_ID }
    for (const signer of [forged, unsigned]) {
      const record = signRecord(encodeRecord(CLAIMS, signer), signer)
      expect(ecdsa().verify(record)).toBe('token')
      expect(psk().verify(record)).toBe('token')
      const relabelled = signRecord(encodeRecord(CLAIMS, ecdsaSigner), signer)
      expect(ecdsa().verify(relabelled)).toBe('token')
    }
  })

  it('refuses the high-s twin of a signature, and signatures of zeros', () => {
    const record = Buffer.from(ecdsa().issue(CLAIMS))
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
    const s = BigInt(`0x${record.subarray(-32).toString('hex')}`)
    const twin = Buffer.from(record)
    twin.set(Buffer.from((order - s).toString(16).padStart(64, '0'), 'hex'), record.length - 32)
    expect(ecdsa().verify(twin)).toBe('token')
    expect(ecdsa().verify(Buffer.from(record).fill(0, record.length - 64))).toBe('token')
    expect(ecdsa().verify(Buffer.from(record).fill(0, record.length - 32))).toBe('token')
  })

  it('refuses keys that do not fit their algorithm', () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-384' })
    const secret = createSecretKey(Buffer.alloc(32, 1))
    const record = ecdsa().issue(CLAIMS)
    const verifyWith = (verifier: RecordVerifier) =>
      binaryTokens()({ secrets: fixedSecrets(ecdsaSigner, verifier) }).verify(record)
    expect(verifyWith({ algorithm: 'ES256', key: other.publicKey, notAfter: 1 })).toBe('token')
    expect(verifyWith({ algorithm: 'ES256', key: secret, notAfter: 1 })).toBe('token')
    expect(verifyWith({ algorithm: 'HS256', key: secret, notAfter: 1 })).toBe('token')
    expect(verifyWith({ algorithm: 'ES256', notAfter: 1 })).toBe('token')
    const issueWith = (signer: RecordSigner) => () =>
      binaryTokens()({ secrets: fixedSecrets(signer, ecdsaVerifier) }).issue(CLAIMS)
    const refused = expect.objectContaining({ code: 'ERR_SECRET' })
    expect(issueWith({ algorithm: 'ES256', keyID: KEY_ID, key: other.privateKey })).toThrow(refused)
    expect(issueWith({ algorithm: 'ES256', keyID: KEY_ID, key: publicKey })).toThrow(refused)
    expect(issueWith({ algorithm: 'HS256', keyID: KEY_ID, key: privateKey })).toThrow(refused)
    expect(issueWith({ algorithm: 'HS256', keyID: KEY_ID })).toThrow(refused)
  })

  it('signs nothing where the secrets say so', () => {
    const secrets = fixedSecrets({ algorithm: 'none', keyID: KEY_ID }, { algorithm: 'none', notAfter: 1 })
    const engine = binaryTokens()({ secrets })
    const record = engine.issue(CLAIMS)
    expect(engine.verify(record)).toMatchObject(CLAIMS)
    expect(engine.verify(Uint8Array.of(...record, 0))).toBe('token')
    expect(engine.verify(psk().issue(CLAIMS))).toBe('token')
  })
})

describe('binaryTokens and what it cannot encode', () => {
  const long = 'x'.repeat(65_536)
  it.each<[string, Partial<RecordClaims>, RegExp]>([
    ['an empty issuer', { issuer: '' }, /issuer is empty/],
    ['a long issuer', { issuer: 'i'.repeat(256) }, /issuer has 256 bytes/],
    ['a long PU ID', { puID: long }, /puID has 65536 bytes, expected at most 32767/],
    ['a key of 31 bytes', { ephemeralKey: new Uint8Array(31) }, /ephemeralKey has 31 bytes/],
    ['a fraction of a second', { notBefore: 1.5 }, /notBefore is 1.5/],
    ['a time after 2106', { notAfter: 2 ** 32 }, /notAfter 4294967296, expected at most 4294967295/],
    ['a tag without key', { tags: [{ key: '', value: 'v' }] }, /tag ""/],
    ['a key with =', { tags: [{ key: 'a=b', value: 'v' }] }, /tag "a=b"/],
    ['a lone surrogate', { tags: [{ key: 'a', value: '\udc00' }] }, /tag "a"/],
    ['too many tags', { tags: new Array(32_768).fill({ key: 'a', value: 'b' }) }, /32768 tags/],
  ])('refuses %s', (_, change, message) => {
    const issue = () => psk().issue({ ...CLAIMS, ...change })
    expect(issue).toThrow(expect.objectContaining({ name: 'TriremeError', code: 'ERR_TOKEN_ENGINE' }))
    expect(issue).toThrow(message)
  })

  it('refuses a key ID that is not 16 hex digits', () => {
    for (const keyID of ['', 'key', KEY_ID.toUpperCase(), `${KEY_ID}00`]) {
      const secrets = fixedSecrets({ ...ecdsaSigner, keyID }, ecdsaVerifier)
      const refused = expect.objectContaining({ code: 'ERR_TOKEN_ENGINE' })
      expect(() => binaryTokens()({ secrets }).issue(CLAIMS)).toThrow(refused)
    }
  })
})

describe('binaryTokens and forms that are signed but not canonical', () => {
  const signer = pskSecrets({ key: KEY }).signer({ issuer: 'host-a', encoding: 'binary' })
  const body = Buffer.from(encodeRecord({ ...CLAIMS, tags: [] }, signer))
  const FIXED = 50
  const sealed = (...parts: (Uint8Array | number[])[]) =>
    psk().verify(signRecord(Buffer.concat(parts.map(part => Uint8Array.from(part))), signer))
  const names = [...lengthAndText('host-a'), ...lengthAndText('web-1')]
  const fixed = body.subarray(0, FIXED)
  const withTags = (...tags: [string, string][]) =>
    sealed(fixed, names, [tags.length], tags.flat().flatMap(lengthAndText), [0])

  function lengthAndText(text: string): number[] {
    return [Buffer.byteLength(text), ...Buffer.from(text)]
  }

  it('accepts the canonical ones made by the same means', () => {
    expect(sealed(body)).toMatchObject({ ...CLAIMS, tags: [] })
    expect(withTags(['a', '1'], ['a', '2'], ['b', ''])).toMatchObject({ puID: 'web-1' })
  })

  it('refuses tags out of order or twice, empty keys, keys with =', () => {
    expect(withTags(['b', '1'], ['a', '1'])).toBe('token')
    expect(withTags(['a', '2'], ['a', '1'])).toBe('token')
    expect(withTags(['a', '1'], ['a', '1'])).toBe('token')
    expect(withTags(['', ''])).toBe('token')
    expect(withTags(['', '1'])).toBe('token')
    expect(withTags(['a=b', '1'])).toBe('token')
  })

  it('refuses two-byte lengths where one byte will do', () => {
    expect(sealed(fixed, [0x80, 6], names.slice(1), [0, 0])).toBe('token')
    expect(sealed(fixed, names, [0x80, 0], [0])).toBe('token')
    expect(sealed(fixed, names, [0], [0x80, 0])).toBe('token')
  })

  it('refuses empty names, counts and lengths past the end, and bytes left over', () => {
    expect(sealed(fixed, [0], lengthAndText('web-1'), [0, 0])).toBe('token')
    expect(sealed(fixed, lengthAndText('host-a'), [0], [0, 0])).toBe('token')
    expect(sealed(fixed, names, [0xff, 0xff], [0])).toBe('token')
    expect(sealed(fixed, names, [0], [0xff, 0xff])).toBe('token')
    expect(sealed(body, [0])).toBe('token')
  })

  it.each([
    ['an overlong form', [0xc0, 0x80]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['beyond Unicode', [0xf4, 0x90, 0x80, 0x80]],
    ['a cut character', [0xe2, 0x82]],
    ['a stray byte', [0xff]],
  ])('refuses UTF-8 with %s, in names and in tags', (_, bytes) => {
    const bad = [bytes.length, ...bytes]
    expect(sealed(fixed, bad, lengthAndText('web-1'), [0, 0])).toBe('token')
    expect(sealed(fixed, lengthAndText('host-a'), bad, [0, 0])).toBe('token')
    expect(sealed(fixed, names, [1], bad, [0], [0])).toBe('token')
    expect(sealed(fixed, names, [1], [1, 0x61], bad, [0])).toBe('token')
  })

  it('refuses other versions, flags and algorithms', () => {
    for (const [at, value] of [
      [0, 0],
      [0, 2],
      [1, 0x21],
      [1, 0x81],
      [1, 0x13],
      [1, 3],
      [1, 0],
      [1, 2],
    ] as const) {
      const changed = Buffer.from(body)
      changed[at] = value
      expect(sealed(changed), `byte ${at} is ${value}`).toBe('token')
    }
  })

  it('refuses a signature over the body alone, or under another prefix', () => {
    const signedAs = (prefix: string) => {
      const signature = createHmac('sha256', signer.key!).update(prefix).update(body).digest()
      return psk().verify(Buffer.concat([body, signature]))
    }
    expect(signedAs('trireme/1 record binary\0')).toMatchObject({ issuer: 'host-a' })
    expect(signedAs('')).toBe('token')
    expect(signedAs('trireme/1 record binary')).toBe('token')
    expect(signedAs('trireme/1 record jwt\0')).toBe('token')
  })
})
