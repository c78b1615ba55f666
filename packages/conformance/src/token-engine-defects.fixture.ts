import { createSecretKey } from 'node:crypto'
import type { RecordClaims, VerifiedRecord } from '@trireme/core'
import {
  answeringShort,
  cachingByPU,
  clearing,
  comparesMAC,
  type Defect,
  headEnd,
  lazyReport,
  opening,
  padding,
  pausing,
  refusedAs,
  remembering,
  reporting,
  sharing,
  trustingTheRecord,
  withAnySignature,
  wrapped,
} from './defective-steps.fixture.js'
import { isSignature, type Opened, SOUND, sealedTokens } from './sealed-tokens.fixture.js'
import { TAG_DEFECTS } from './tag-defects.fixture.js'

/** For every check but a few, engines that only it, or it among others, finds out. */
export const DEFECTS: readonly Defect[] = [
  ...named(),
  ...inClaims(),
  ...TAG_DEFECTS,
  ...inBytes(),
  ...inIssuers(),
  ...inReferences(),
  ...inSecrets(),
  ...inAlgorithms(),
  ...inHandshakes(),
]

function named(): Defect[] {
  const title = 'is named, and has a code from 1 to 15'
  return [
    { what: 'a code of five bits', title, setup: sealedTokens({ encodingCode: 16 }) },
    { what: 'no code', title, setup: sealedTokens({ encodingCode: 0 }) },
    { what: 'no name', title, setup: sealedTokens({ encoding: '' }) },
    { what: 'a name with NUL', title, setup: sealedTokens({ encoding: 'a\0b' }) },
  ]
}

function inIssuers(): Defect[] {
  const title = 'tells the issuer that a record names, if it tells one, and nothing of other bytes'
  const telling = (issuerOf: (record: Uint8Array) => string | undefined) => wrapped(() => ({ issuerOf }))
  const reading = (record: Uint8Array) => {
    if (record.length === 0) throw new RangeError('no bytes')
    return 'host-a'
  }
  return [
    { what: 'one issuer for all', title, setup: telling(() => 'nobody') },
    { what: 'an issuer of nothing', title, setup: telling(reading) },
  ]
}

function inClaims(): Defect[] {
  const title = 'gives back every claim'
  const minutes = ({ notAfter }: VerifiedRecord) => ({ notAfter: notAfter - (notAfter % 60) })
  const hexKey = () => ({ ephemeralKey: 'ab' as unknown as Uint8Array })
  const someTag = ({ tags }: VerifiedRecord) => ({ tags: tags.length > 0 ? tags : [{ key: 'a', value: '' }] })
  const unchecked = sealedTokens({ check: () => undefined })
  return [
    { what: 'another PU ID', title, setup: reporting(() => ({ puID: 'web' })) },
    { what: 'minutes for seconds', title, setup: reporting(minutes) },
    { what: 'signed times', title, setup: reporting(({ notAfter }) => ({ notAfter: notAfter | 0 })) },
    { what: 'no ephemeral key', title, setup: reporting(() => ({ ephemeralKey: new Uint8Array(32) })) },
    { what: 'a key as text', title, setup: reporting(hexKey) },
    { what: 'a tag from nowhere', title: 'gives back no tags', setup: reporting(someTag) },
    { what: 'records of 2 kB', title: 'lets the record fit a packet', setup: wrapped(padding) },
    ...[
      'an empty issuer',
      'an empty PU ID',
      'a PU ID with a lone surrogate',
      'a tag without key',
      'a key with =',
      'a value with a lone surrogate',
      'a fraction of a second',
      'a time before 1970',
    ].map(what => ({ what: `signs ${what}`, title: `does not sign ${what}`, setup: unchecked })),
  ]
}

function inBytes(): Defect[] {
  const flipped = 'refuses a record with any bit flipped'
  const more = 'refuses a record with more bytes'
  const arbitrary = 'answers to arbitrary bytes'
  const parse = (record: Uint8Array) => JSON.parse(Buffer.from(record).toString('utf8', 0, headEnd(record)))
  const begun = (body: Uint8Array) => body.subarray(0, 100)
  return [
    {
      what: 'a signature over the first 100 bytes',
      title: flipped,
      setup: sealedTokens({
        sign: (body, signer) => SOUND.sign(begun(body), signer),
        isSigned: (opened, verifier) => SOUND.isSigned({ ...opened, body: begun(opened.body) }, verifier),
      }),
    },
    { what: 'no look at the signature', title: flipped, setup: sealedTokens({ isSigned: () => true }) },
    { what: 'half a MAC compared', title: flipped, setup: sealedTokens({ isSigned: comparesMAC(16) }) },
    {
      what: 'a MAC as long as it comes',
      title: 'refuses a record cut at any place',
      setup: sealedTokens({ open: withAnySignature, isSigned: comparesMAC(32) }),
    },
    {
      what: 'bytes behind the end ignored',
      title: more,
      setup: opening(record => record.subarray(0, headEnd(record) + 32)),
    },
    {
      what: 'space before the beginning skipped',
      title: more,
      setup: opening(record => (record[0] === 0x20 ? record.subarray(1) : record)),
    },
    {
      what: 'a parser that throws',
      title: arbitrary,
      setup: wrapped(engine => ({ verify: record => parse(record) && engine.verify(record) })),
    },
    {
      what: 'a promise that rejects',
      title: arbitrary,
      setup: wrapped(engine => ({ verify: async record => parse(record) && engine.verify(record) })),
    },
    { what: 'undefined for a refusal', title: arbitrary, setup: answeringShort(undefined) },
    { what: 'a reason that is none', title: arbitrary, setup: answeringShort('short') },
    {
      what: 'anything like a JWT taken',
      title: "refuses another encoding's bytes",
      setup: wrapped(engine => ({
        verify: record => (record[0] === 0x65 ? ({} as VerifiedRecord) : engine.verify(record)),
      })),
    },
  ]
}

function inReferences(): Defect[] {
  const view = 'reads a record that lies inside a larger buffer'
  const kept = 'keeps no reference to the bytes that it verified'
  return [
    {
      what: 'the whole buffer behind a view',
      title: view,
      setup: wrapped(engine => ({ verify: record => engine.verify(new Uint8Array(record.buffer)) })),
    },
    { what: 'work in the bytes of the caller', title: view, setup: wrapped(clearing) },
    { what: 'a look at the bytes when asked', title: kept, setup: lazyReport() },
    { what: 'a look at the bytes after a pause', title: kept, setup: wrapped(pausing) },
    {
      what: 'one buffer for all records',
      title: 'keeps no reference to the claims that it signed',
      setup: wrapped(sharing),
    },
  ]
}

function inSecrets(): Defect[] {
  const key = createSecretKey(Buffer.alloc(32, 5))
  const reported = 'reports the key that vouched, and until when it is good'
  const carried = 'carries the signer’s credential, and only where there is one'
  const cut = (opened: Opened) => ({ ...opened, credential: opened.credential.replace(/(00)+$/, '') })
  return [
    {
      what: 'a key of its own',
      title: 'refuses a record signed with another secret',
      setup: sealedTokens({
        sign: (body, signer) => SOUND.sign(body, { ...signer, key }),
        askVerifier: () => ({ algorithm: 'HS256', key, notAfter: 1 }),
      }),
    },
    {
      what: 'the verifier’s own issuer',
      title: 'refuses a record that names another issuer than its signer',
      setup: sealedTokens({
        askVerifier: (secrets, { keyID }, encoding) =>
          secrets.verifier({ issuer: 'host-b', encoding, keyID }),
      }),
    },
    {
      what: 'keys of another encoding',
      title: 'asks the secrets for keys of its own encoding and of the record’s issuer',
      setup: sealedTokens({ askVerifier: (secrets, opened) => SOUND.askVerifier(secrets, opened, 'binary') }),
    },
    { what: 'another key ID', title: reported, setup: reporting(() => ({ keyID: 'key' })) },
    {
      what: 'a key without end',
      title: reported,
      setup: reporting(() => ({ signerNotAfter: Number.MAX_SAFE_INTEGER })),
    },
    {
      what: 'the record’s end for the key’s',
      title: reported,
      setup: reporting(({ notAfter }) => ({ signerNotAfter: notAfter })),
    },
    {
      what: 'the credential left out',
      title: carried,
      needsCredential: true,
      setup: sealedTokens({ encode: (claims, { credential: _, ...signer }) => SOUND.encode(claims, signer) }),
    },
    {
      what: 'zeros cut off the credential',
      title: carried,
      needsCredential: true,
      setup: sealedTokens({
        askVerifier: (secrets, opened, encoding) => SOUND.askVerifier(secrets, cut(opened), encoding),
      }),
    },
    {
      what: 'an empty credential',
      title: carried,
      setup: sealedTokens({
        askVerifier: (secrets, { claims: { issuer }, keyID }, encoding) =>
          secrets.verifier({ issuer, encoding, keyID, credential: Uint8Array.of() }),
      }),
    },
    {
      what: 'a reason of its own',
      title: 'hands the secrets’ own reason on',
      setup: refusedAs(() => 'token'),
    },
  ]
}

function inAlgorithms(): Defect[] {
  const decides = 'lets the verifier’s key decide the algorithm, not the record'
  const unsigned = 'takes a record without signature only where the secrets ask for none'
  return [
    {
      what: 'the algorithm that the record names',
      title: decides,
      setup: sealedTokens({ isSigned: trustingTheRecord }),
    },
    {
      what: 'no signature looked at where none is asked for',
      title: decides,
      setup: sealedTokens({
        isSigned: ({ body, signature }, verifier) =>
          verifier.algorithm === 'none' || isSignature(body, signature, verifier),
      }),
    },
    {
      what: 'unsigned records taken',
      title: unsigned,
      setup: sealedTokens({
        isSigned: (opened, verifier) => opened.algorithm === 'none' || SOUND.isSigned(opened, verifier),
      }),
    },
    {
      what: 'no signature asked for where the key is unknown',
      title: unsigned,
      setup: refusedAs(() => ({ algorithm: 'none', notAfter: 1 })),
    },
  ]
}

function inHandshakes(): Defect[] {
  const title = 'carries a handshake between two nodes'
  const altered = (claims: RecordClaims) => ({
    ...claims,
    ephemeralKey: Uint8Array.from(claims.ephemeralKey, byte => byte ^ 1),
  })
  return [
    {
      what: 'another ephemeral key than the node’s',
      title,
      setup: wrapped(engine => ({ issue: claims => engine.issue(altered(claims)) })),
    },
    {
      what: 'a life of ten minutes',
      title,
      setup: reporting(({ notAfter }) => ({ notAfter: notAfter + 420 })),
    },
    {
      what: 'a record kept for each PU',
      title: 'carries a handshake with records that were renewed',
      setup: wrapped(cachingByPU),
    },
    {
      what: 'a memory that all engines share',
      title: 'keeps two engines in one process apart',
      setup: remembering(),
    },
  ]
}
