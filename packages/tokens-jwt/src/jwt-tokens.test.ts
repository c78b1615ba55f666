import { createHmac, createSecretKey, generateKeyPairSync } from 'node:crypto'
import {
  canonicalTags,
  type DropReason,
  pskSecrets,
  type RecordClaims,
  type RecordSigner,
  type RecordVerifier,
  type Secrets,
  type VerifiedRecord,
} from '@trireme/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodePayload } from './jwt-codec.js'
import { signJWT } from './jwt-signature.js'
import { jwtTokens } from './jwt-tokens.js'

const { TRIREME_FUZZ_RUNS = '1000' } = process.env
const FUZZ_RUNS = Number(TRIREME_FUZZ_RUNS)
const KEY = Buffer.from('correct horse battery staple')
const KEY_ID = '0123456789abcdef'

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
const ecdsaSigner: RecordSigner = {
  algorithm: 'ES256',
  keyID: KEY_ID,
  key: privateKey,
  credential: Buffer.from('certificate'),
}
const ecdsaVerifier: RecordVerifier = { algorithm: 'ES256', key: publicKey, notAfter: 2_000_000_000 }

const psk = () => jwtTokens()({ secrets: pskSecrets({ key: KEY }) })
const ecdsa = () => jwtTokens()({ secrets: fixedSecrets(ecdsaSigner, ecdsaVerifier) })
const ENGINES = [
  { name: 'HS256', make: psk },
  { name: 'ES256', make: ecdsa },
]

const encode = (text: string) => Buffer.from(text).toString('base64url')
const decode = (text: string) => Buffer.from(text, 'base64url').toString()
const partsOf = (record: Uint8Array) => Buffer.from(record).toString().split('.') as [string, string, string]

const text = (minLength: number) => fc.string({ unit: 'binary', minLength, maxLength: 40 })
const tag = fc.record({
  key: text(1).map(key => key.replaceAll('=', '-')),
  value: fc.oneof(
    text(0),
    fc.constantFrom(
      '',
      '=',
      'a=b',
      'a,b',
      '\0',
      '"\\/',
      '\u2028',
      '\ufeffbom',
      '\u{1f600}',
      'v'.repeat(65_536),
    ),
  ),
})
const time = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
const anyClaims: fc.Arbitrary<RecordClaims> = fc.record({
  issuer: text(1),
  puID: text(1),
  tags: fc.array(tag, { maxLength: 20 }),
  ephemeralKey: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  notBefore: time,
  notAfter: time,
})

describe.each(ENGINES)('jwtTokens with $name', ({ make }) => {
  it('gives back what was issued, tags in canonical order', async () => {
    const engine = make()
    const property = fc.asyncProperty(anyClaims, async claims => {
      const verified = await engine.verify(await engine.issue(claims))
      expect(verified).toMatchObject({ ...claims, tags: canonicalTags(claims.tags) })
    })
    await fc.assert(property, { numRuns: 60 })
  })

  it('refuses every single bit flipped', async () => {
    const engine = make()
    const record = await engine.issue(CLAIMS)
    for (let bit = 0; bit < record.length * 8; bit++) {
      const flipped = Uint8Array.from(record)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      expect(await engine.verify(flipped), `bit ${bit}`).toBe('token')
    }
  })

  it('refuses every truncation and extension', async () => {
    const engine = make()
    const record = await engine.issue(CLAIMS)
    for (let length = 0; length < record.length; length++) {
      expect(await engine.verify(record.subarray(0, length)), `${length} bytes`).toBe('token')
    }
    for (const extra of ['A', 'AAAA', '=', '==', '.', '\n', ' ', '\0', '.AAAA', '\u00ff']) {
      expect(await engine.verify(Buffer.concat([record, Buffer.from(extra)])), extra).toBe('token')
      expect(await engine.verify(Buffer.concat([Buffer.from(extra), record])), extra).toBe('token')
    }
  })

  it('is total over any bytes, and over any change of a record', async () => {
    const engine = make()
    const record = await engine.issue(CLAIMS)
    const change = fc.record({
      at: fc.nat(record.length),
      cut: fc.nat(8),
      put: fc.uint8Array({ maxLength: 8 }),
    })
    const changed = change.map(({ at, cut, put }) =>
      Buffer.concat([record.subarray(0, at), put, record.subarray(at + cut)]),
    )
    const [header] = partsOf(record)
    const json = fc.json().map(payload => Buffer.from(`${header}.${encode(payload)}.AAAA`))
    const headers = fc.json().map(any => Buffer.from(`${encode(any)}.${encode(encodePayload(CLAIMS))}.AAAA`))
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 400 }), changed, json, headers)
    const property = fc.asyncProperty(bytes, async given => {
      if (Buffer.compare(given, record) !== 0) expect(await engine.verify(given)).toBe('token')
    })
    await fc.assert(property, { numRuns: FUZZ_RUNS })
  })

  it('keeps no reference to the bytes that it read, also while it verifies', async () => {
    const engine = make()
    const record = Buffer.from(await engine.issue(CLAIMS))
    const pending = engine.verify(record)
    record.fill(0)
    expect(await pending).toMatchObject(CLAIMS)
  })

  it('refuses a record in another encoding', async () => {
    const engine = make()
    expect(await engine.verify(Buffer.concat([Buffer.of(1, 1), Buffer.alloc(103, 1)]))).toBe('token')
    expect(await engine.verify(new Uint8Array(0))).toBe('token')
  })

  it('reads a record that lies inside a larger buffer', async () => {
    const engine = make()
    const record = await engine.issue(CLAIMS)
    const larger = Buffer.concat([Buffer.from('AAAAAAA'), record, Buffer.from('AAAAAAA')])
    const inside = new Uint8Array(larger.buffer, larger.byteOffset + 7, record.length)
    expect(await engine.verify(inside)).toMatchObject(CLAIMS)
  })
})

describe('a JWT record', () => {
  it('can be read by people', async () => {
    const [header, payload] = partsOf(await psk().issue(CLAIMS))
    const { keyID } = pskSecrets({ key: KEY }).signer({ issuer: 'host-a', encoding: 'jwt' })
    expect(decode(header)).toBe(`{"alg":"HS256","kid":"${keyID}","typ":"trireme+jwt"}`)
    expect(decode(payload)).toBe(
      '{"cnf":{"jwk":{"crv":"X25519","kty":"OKP","x":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}},' +
        '"exp":1700000180,"iss":"host-a","nbf":1700000000,"sub":"web-1","tags":["app=web","env=prod"]}',
    )
  })

  it('carries the credential in its header', async () => {
    const [header] = partsOf(await ecdsa().issue(CLAIMS))
    expect(decode(header)).toBe(
      `{"alg":"ES256","cred":"${encode('certificate')}","kid":"${KEY_ID}","typ":"trireme+jwt"}`,
    )
  })
})

describe('jwtTokens and its keys', () => {
  it('names the key and its end', async () => {
    const verified = (await psk().verify(await psk().issue(CLAIMS))) as VerifiedRecord
    expect(verified.keyID).toBe(pskSecrets({ key: KEY }).signer({ issuer: 'host-a', encoding: 'jwt' }).keyID)
    expect(verified.signerNotAfter).toBe(Number.MAX_SAFE_INTEGER)
    const other = await ecdsa().verify(await ecdsa().issue(CLAIMS))
    expect(other).toMatchObject({ keyID: KEY_ID, signerNotAfter: 2_000_000_000 })
  })

  it('refuses a record under another PSK', async () => {
    const other = Buffer.from('another key of some length')
    const verifyWith = async (keys: Uint8Array[]) =>
      jwtTokens()({ secrets: pskSecrets({ keys }) }).verify(await psk().issue(CLAIMS))
    expect(await verifyWith([other])).toBe('token')
    expect(await verifyWith([other, KEY])).toMatchObject(CLAIMS)
  })

  it('refuses a record whose key is for another issuer or another encoding', async () => {
    for (const use of [
      { issuer: 'host-b', encoding: 'jwt' },
      { issuer: 'host-a', encoding: 'binary' },
    ]) {
      const record = await signJWT(encodePayload(CLAIMS), pskSecrets({ key: KEY }).signer(use))
      expect(await psk().verify(record)).toBe('token')
    }
  })

  it('hands the credential to the secrets, and their reason back', async () => {
    const seen: unknown[] = []
    const secrets: Secrets = {
      ...fixedSecrets(ecdsaSigner, ecdsaVerifier),
      verifier: use => {
        seen.push(use)
        return 'clock'
      },
    }
    expect(await jwtTokens()({ secrets }).verify(await ecdsa().issue(CLAIMS))).toBe('clock')
    const credential = Uint8Array.from(ecdsaSigner.credential!)
    expect(seen).toEqual([{ issuer: 'host-a', encoding: 'jwt', keyID: KEY_ID, credential }])
  })

  it('lets the key decide the algorithm', async () => {
    const spki = createSecretKey(Buffer.from(publicKey.export({ format: 'pem', type: 'spki' })))
    const forged: RecordSigner = { algorithm: 'HS256', keyID: KEY_ID, key: spki }
    const unsigned: RecordSigner = { algorithm: 'none', keyID: KEY_ID }
    const { keyID } = pskSecrets({ key: KEY }).signer({ issuer: 'host-a', encoding: 'jwt' })
    for (const signer of [forged, unsigned, { ...ecdsaSigner, keyID }, { ...unsigned, keyID }]) {
      const record = await signJWT(encodePayload(CLAIMS), signer)
      if (signer.algorithm !== 'ES256') expect(await ecdsa().verify(record)).toBe('token')
      expect(await psk().verify(record)).toBe('token')
    }
    for (const alg of ['None', 'NONE', 'hs256', 'HS512', 'RS256', '', 'toString']) {
      const parts = partsOf(await psk().issue(CLAIMS))
      const header = encode(decode(parts[0]).replace('HS256', alg))
      expect(await psk().verify(Buffer.from(`${header}.${parts[1]}.${parts[2]}`)), alg).toBe('token')
    }
  })

  it('refuses the high-s twin of a signature, and signatures of zeros', async () => {
    const [header, payload, signature] = partsOf(await ecdsa().issue(CLAIMS))
    const verifyWith = (bytes: Uint8Array) =>
      ecdsa().verify(Buffer.from(`${header}.${payload}.${Buffer.from(bytes).toString('base64url')}`))
    const raw = Buffer.from(signature, 'base64url')
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
    const s = BigInt(`0x${raw.subarray(32).toString('hex')}`)
    const high = Buffer.from((order - s).toString(16).padStart(64, '0'), 'hex')
    expect(await verifyWith(raw)).toMatchObject(CLAIMS)
    expect(await verifyWith(Buffer.concat([raw.subarray(0, 32), high]))).toBe('token')
    expect(await verifyWith(Buffer.alloc(64))).toBe('token')
    expect(await verifyWith(Buffer.alloc(63))).toBe('token')
  })

  it('refuses keys that do not fit their algorithm', async () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-384' })
    const secret = createSecretKey(Buffer.alloc(32, 1))
    const record = await ecdsa().issue(CLAIMS)
    const verifyWith = (verifier: RecordVerifier) =>
      jwtTokens()({ secrets: fixedSecrets(ecdsaSigner, verifier) }).verify(record)
    expect(await verifyWith({ algorithm: 'ES256', key: other.publicKey, notAfter: 1 })).toBe('token')
    expect(await verifyWith({ algorithm: 'ES256', key: secret, notAfter: 1 })).toBe('token')
    expect(await verifyWith({ algorithm: 'HS256', key: secret, notAfter: 1 })).toBe('token')
    expect(await verifyWith({ algorithm: 'ES256', notAfter: 1 })).toBe('token')
    const issueWith = (signer: RecordSigner) =>
      jwtTokens()({ secrets: fixedSecrets(signer, ecdsaVerifier) }).issue(CLAIMS)
    const refused = { name: 'TriremeError', code: 'ERR_SECRET' }
    await expect(
      issueWith({ algorithm: 'ES256', keyID: KEY_ID, key: other.privateKey }),
    ).rejects.toMatchObject(refused)
    await expect(issueWith({ algorithm: 'ES256', keyID: KEY_ID, key: publicKey })).rejects.toMatchObject(
      refused,
    )
    await expect(issueWith({ algorithm: 'HS256', keyID: KEY_ID, key: privateKey })).rejects.toMatchObject(
      refused,
    )
    await expect(issueWith({ algorithm: 'HS256', keyID: KEY_ID })).rejects.toMatchObject(refused)
  })

  it('signs nothing where the secrets say so', async () => {
    const secrets = fixedSecrets({ algorithm: 'none', keyID: KEY_ID }, { algorithm: 'none', notAfter: 1 })
    const engine = jwtTokens()({ secrets })
    const record = await engine.issue(CLAIMS)
    expect(await engine.verify(record)).toMatchObject(CLAIMS)
    expect(await engine.verify(Buffer.concat([record, Buffer.from('AAAA')]))).toBe('token')
    const [header, payload] = partsOf(await psk().issue(CLAIMS))
    expect(await engine.verify(Buffer.from(`${header}.${payload}.`))).toBe('token')
    expect(await engine.verify(await psk().issue(CLAIMS))).toBe('token')
  })
})

describe('jwtTokens and what it cannot encode', () => {
  it.each<[string, Partial<RecordClaims>, RegExp]>([
    ['an empty issuer', { issuer: '' }, /issuer is empty/],
    ['a long issuer', { issuer: 'i'.repeat(256) }, /issuer has 256 bytes/],
    ['a key of 31 bytes', { ephemeralKey: new Uint8Array(31) }, /ephemeralKey has 31 bytes/],
    ['a fraction of a second', { notBefore: 1.5 }, /notBefore is 1.5/],
    ['a tag without key', { tags: [{ key: '', value: 'v' }] }, /tag ""/],
    ['a key with =', { tags: [{ key: 'a=b', value: 'v' }] }, /tag "a=b"/],
    ['a lone surrogate', { tags: [{ key: 'a', value: '\udc00' }] }, /tag "a"/],
  ])('refuses %s', async (_, change, message) => {
    const refused = {
      name: 'TriremeError',
      code: 'ERR_TOKEN_ENGINE',
      message: expect.stringMatching(message),
    }
    await expect(psk().issue({ ...CLAIMS, ...change })).rejects.toMatchObject(refused)
  })

  it('refuses a key ID that is empty, long or not ASCII', async () => {
    for (const keyID of ['', 'k'.repeat(65), 'é', 'a b']) {
      const secrets = fixedSecrets({ ...ecdsaSigner, keyID }, ecdsaVerifier)
      const refused = { code: 'ERR_TOKEN_ENGINE' }
      await expect(jwtTokens()({ secrets }).issue(CLAIMS)).rejects.toMatchObject(refused)
    }
  })
})

describe('jwtTokens and forms that are signed but not canonical', () => {
  const signer = pskSecrets({ key: KEY }).signer({ issuer: 'host-a', encoding: 'jwt' })
  const HEADER = `{"alg":"HS256","kid":"${signer.keyID}","typ":"trireme+jwt"}`
  const PAYLOAD = encodePayload(CLAIMS)

  function sealed(header: string, payload: string): Promise<VerifiedRecord | DropReason> {
    return sealedParts(encode(header), encode(payload))
  }

  function sealedParts(header: string, payload: string, tail = ''): Promise<VerifiedRecord | DropReason> {
    const input = `${header}.${payload}`
    const signature = createHmac('sha256', signer.key!).update(input).digest('base64url')
    return psk().verify(Buffer.from(`${input}.${signature}${tail}`))
  }

  it('accepts the canonical one made by the same means', async () => {
    expect(await sealed(HEADER, PAYLOAD)).toMatchObject(CLAIMS)
  })

  it.each([
    ['another type', HEADER.replace('trireme+jwt', 'JWT')],
    ['no type', HEADER.replace(',"typ":"trireme+jwt"', '')],
    ['another member', HEADER.replace('{', '{"a":1,')],
    ['crit', HEADER.replace('"kid"', '"crit":["kid"],"kid"')],
    ['b64', HEADER.replace('"kid"', '"b64":true,"kid"')],
    ['a key of its own', HEADER.replace('"kid"', '"jwk":{"kty":"oct","k":"AAAA"},"kid"')],
    ['a member twice', HEADER.replace('{', '{"alg":"none",')],
    ['another order', `{"typ":"trireme+jwt","alg":"HS256","kid":"${signer.keyID}"}`],
    ['white space', HEADER.replace(':', ': ')],
    ['an escape', HEADER.replace('HS256', '\\u0048S256')],
    ['an empty credential', HEADER.replace('"kid"', '"cred":"","kid"')],
    ['a credential that no PSK has', HEADER.replace('"kid"', '"cred":"AAAA","kid"')],
    ['a number for a key ID', HEADER.replace(/"kid":"\w+"/, '"kid":1')],
    ['__proto__', HEADER.replace('{', '{"__proto__":{},')],
    ['an array', `[${HEADER}]`],
    ['null', 'null'],
  ])('refuses a header with %s', async (_, header) => {
    expect(header).not.toBe(HEADER)
    expect(await sealed(header, PAYLOAD)).toBe('token')
  })

  it.each([
    ['another member', PAYLOAD.replace('{', '{"aud":"a",')],
    ['a member twice', PAYLOAD.replace('"iss"', '"iss":"host-b","iss"')],
    ['a member less', PAYLOAD.replace('"sub":"web-1",', '')],
    ['another order', PAYLOAD.replace(/("iss":"host-a"),("nbf":\d+)/, '$2,$1')],
    ['white space', `${PAYLOAD} `],
    ['an exponent', PAYLOAD.replace('1700000180', '17000001.80e2')],
    ['a fraction', PAYLOAD.replace('1700000180', '1700000180.5')],
    ['a time as text', PAYLOAD.replace('1700000180', '"1700000180"')],
    ['a negative time', PAYLOAD.replace('1700000180', '-1')],
    ['a time past all integers', PAYLOAD.replace('1700000180', '1e400')],
    ['an escape', PAYLOAD.replace('host-a', 'host\\u002da')],
    ['a lone surrogate', PAYLOAD.replace('web-1', '\\ud800')],
    ['an empty name', PAYLOAD.replace('web-1', '')],
    ['another curve', PAYLOAD.replace('X25519', 'Ed25519')],
    ['a short key', PAYLOAD.replace(/"x":"\w/, '"x":"')],
    ['a padded key', PAYLOAD.replace(/("x":"[\w-]+)"/, '$1="')],
    ['stray bits in the key', PAYLOAD.replace('Hh8"', 'Hh9"')],
    ['tags as an object', PAYLOAD.replace(/\[.*\]/, '{"app":"web"}')],
    ['tags out of order', PAYLOAD.replace('"app=web","env=prod"', '"env=prod","app=web"')],
    ['a tag twice', PAYLOAD.replace('"app=web"', '"app=web","app=web"')],
    ['a tag without =', PAYLOAD.replace('app=web', 'app')],
    ['a tag without key', PAYLOAD.replace('app=web', '=web')],
    ['a tag that is no text', PAYLOAD.replace('"app=web"', '1')],
    ['a deep nest', '['.repeat(50_000)],
    ['no JSON', 'app=web'],
    ['null', 'null'],
    ['a null key', PAYLOAD.replace(/\{"jwk":.*?\}/, 'null').replace('null}', 'null')],
  ])('refuses a payload with %s', async (_, payload) => {
    expect(payload).not.toBe(PAYLOAD)
    expect(await sealed(HEADER, payload)).toBe('token')
  })

  it('refuses base64url that is padded, has stray bits, other letters or white space', async () => {
    const header = encode(HEADER)
    const payload = encode(PAYLOAD)
    expect(await sealedParts(header, payload)).toMatchObject(CLAIMS)
    expect(await sealedParts(`${header}=`, payload)).toBe('token')
    expect(await sealedParts(header, `${payload}==`)).toBe('token')
    expect(await sealedParts(header, payload, '=')).toBe('token')
    expect(await sealedParts(` ${header}`, payload)).toBe('token')
    expect(await sealedParts(header, `${payload}\n`)).toBe('token')
    expect(await sealedParts(header, payload, '\n')).toBe('token')
    const claims = {
      ...CLAIMS,
      issuer: 'host-\u{1f47e}\u{1f47f}',
      tags: [{ key: '\u00fb\u00ff', value: '\u07ff>>>???' }],
    }
    const odd = encode(encodePayload(claims))
    expect(odd).toMatch(/[-_]/)
    expect(await sealedParts(header, odd.replaceAll('-', '+').replaceAll('_', '/'))).toBe('token')
  })

  it('refuses stray bits at the end of each part', async () => {
    const [header, payload, signature] = partsOf(await psk().issue({ ...CLAIMS, puID: 'web-12' }))
    const last = (part: string) =>
      'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'.indexOf(part.at(-1)!)
    const astray = (part: string) =>
      part.slice(0, -1) + 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'[last(part) ^ 1]
    expect(signature.length % 4).not.toBe(0)
    expect(Buffer.from(astray(signature), 'base64url')).toEqual(Buffer.from(signature, 'base64url'))
    expect(await psk().verify(Buffer.from(`${header}.${payload}.${astray(signature)}`))).toBe('token')
    for (const part of [header, payload].filter(each => each.length % 4 !== 0)) {
      expect(decode(astray(part))).toBe(decode(part))
    }
    expect(await sealedParts(astray(header), payload)).toBe('token')
    expect(await sealedParts(header, astray(payload))).toBe('token')
  })
})
