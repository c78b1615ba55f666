import assert from 'node:assert/strict'
import { createSecretKey, generateKeyPairSync } from 'node:crypto'
import type { RecordUse, RecordVerifier, Secrets } from '@trireme/core'
import { answerOf, assertClaims, assertRefused, verified } from './assert-verified.js'
import type { Check, TokenEngineSubject } from './check.js'
import { sampleClaims } from './sample-claims.js'
import { secretsWith, unsignedSecrets } from './sample-secrets.js'

/** A signature is the secrets' and nobody else's, for the issuer that the record names and for this encoding. */
export const checksOfSecrets: readonly Check<TokenEngineSubject>[] = [
  {
    title: 'refuses a record signed with another secret',
    async run({ engine, kind }) {
      const record = await (await engine(kind.strangers())).issue(sampleClaims())
      await assertRefused(await engine(kind.secrets()), record, 'a stranger’s record')
      await verified(await engine(kind.strangers()), record, 'the record by its own secrets')
    },
  },
  {
    title: 'refuses a record that names another issuer than its signer',
    async run({ engine, kind }) {
      const insider = signingAs(kind.secrets(), { issuer: 'host-b' })
      const record = await (await engine(insider)).issue(sampleClaims({ issuer: 'host-a' }))
      await assertRefused(await engine(kind.secrets()), record, 'a record of host-a signed by host-b')
    },
  },
  {
    title: 'asks the secrets for keys of its own encoding and of the record’s issuer',
    async run({ engine, kind }) {
      const asked: RecordUse[] = []
      const secrets = kind.secrets()
      const note = ({ issuer, encoding }: RecordUse) => {
        asked.push({ issuer, encoding })
        return secrets
      }
      const noting = secretsWith(secrets, {
        signer: use => note(use).signer(use),
        verifier: use => note(use).verifier(use),
      })
      const subject = await engine(noting)
      await verified(subject, await subject.issue(sampleClaims({ issuer: 'host-b' })), 'the record')
      assert.ok(
        asked.length >= 2,
        `the secrets were asked ${asked.length} times, expected for signer and verifier`,
      )
      for (const use of asked) assert.deepEqual(use, { issuer: 'host-b', encoding: subject.encoding })
    },
  },
  {
    title: 'reports the key that vouched, and until when it is good',
    async run({ engine, kind }) {
      const issuing = await engine(kind.secrets())
      const { encoding } = issuing
      const signer = kind.secrets().signer({ issuer: 'host-a', encoding })
      const secrets = kind.secrets()
      const until = 1_234_567_890
      const ending = secretsWith(secrets, {
        verifier(use) {
          const verifier = secrets.verifier(use)
          return typeof verifier === 'string' ? verifier : { ...verifier, notAfter: until }
        },
      })
      const read = await verified(await engine(ending), await issuing.issue(sampleClaims()), 'the record')
      assert.equal(read.keyID, signer.keyID, 'keyID')
      assert.equal(read.signerNotAfter, until, 'signerNotAfter')
    },
  },
  {
    title: 'carries the signer’s credential, and only where there is one',
    async run({ engine, kind }) {
      const issuing = await engine(kind.secrets())
      const { credential } = kind.secrets().signer({ issuer: 'host-a', encoding: issuing.encoding })
      const seen: (Uint8Array | undefined)[] = []
      const secrets = kind.secrets()
      const noting = secretsWith(secrets, {
        verifier(use) {
          seen.push(use.credential)
          return secrets.verifier(use)
        },
      })
      await verified(await engine(noting), await issuing.issue(sampleClaims()), 'the record')
      assert.ok(seen.length > 0, 'the secrets were not asked for a verifier')
      for (const each of seen)
        assert.deepEqual(each && [...each], credential && [...credential], 'credential')
    },
  },
  {
    title: 'hands the secrets’ own reason on',
    async run({ engine, kind }) {
      const record = await (await engine(kind.secrets())).issue(sampleClaims())
      const verifying = await engine(secretsWith(kind.secrets(), { verifier: () => 'clock' }))
      assert.equal(await answerOf(verifying, record, 'a record whose signer expired'), 'clock')
    },
  },
  {
    title: 'lets the verifier’s key decide the algorithm, not the record',
    async run(subject) {
      for (const verifier of otherVerifiers(subject.kind.secrets())) await refusesUnder(subject, verifier)
      await refusesForged(subject)
    },
  },
  {
    title: 'takes a record without signature only where the secrets ask for none',
    async run({ engine, kind }) {
      const issuing = await engine(unsignedSecrets())
      const claims = sampleClaims()
      let record: Uint8Array
      try {
        record = await issuing.issue(claims)
      } catch {
        // An engine need not know the mode `null`.
        return
      }
      const keyID = kind.secrets().signer({ issuer: 'host-a', encoding: issuing.encoding }).keyID
      const named = secretsWith(unsignedSecrets(), { signer: () => ({ algorithm: 'none', keyID }) })
      await assertRefused(await engine(kind.secrets()), record, 'an unsigned record')
      const claiming = await (await engine(named)).issue(claims)
      await assertRefused(await engine(kind.secrets()), claiming, 'an unsigned record that names a key')
      assertClaims(
        await verified(await engine(unsignedSecrets()), record, 'an unsigned record'),
        claims,
        'unsigned',
      )
    },
  },
]

/** Secrets that sign as somebody else. */
function signingAs(secrets: Secrets, other: Partial<RecordUse>): Secrets {
  return secretsWith(secrets, { signer: use => secrets.signer({ ...use, ...other }) })
}

/** Verifiers of every algorithm, with keys that none of the sample secrets has, and without. */
function otherVerifiers(secrets: Secrets): readonly RecordVerifier[] {
  const notAfter = Number.MAX_SAFE_INTEGER
  const isShared = secrets.mode === 'psk'
  const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey
  const secret = createSecretKey(Buffer.alloc(32, 1))
  return [
    { algorithm: 'none', notAfter },
    { algorithm: isShared ? 'ES256' : 'HS256', key: isShared ? p256 : secret, notAfter },
    { algorithm: isShared ? 'HS256' : 'ES256', key: isShared ? p256 : secret, notAfter },
    { algorithm: isShared ? 'HS256' : 'ES256', notAfter },
    { algorithm: 'ES256', key: p384, notAfter },
  ]
}

async function refusesUnder({ engine, kind }: TokenEngineSubject, verifier: RecordVerifier): Promise<void> {
  const record = await (await engine(kind.secrets())).issue(sampleClaims())
  const verifying = await engine(secretsWith(kind.secrets(), { verifier: () => verifier }))
  const key = verifier.key?.asymmetricKeyDetails?.namedCurve ?? verifier.key?.type ?? 'no key'
  await assertRefused(verifying, record, `a record under a verifier for ${verifier.algorithm} with ${key}`)
}

/** Everybody knows a public key: as the key of an HMAC it must not sign anything (RFC 8725 §2.1). */
async function refusesForged({ engine, kind }: TokenEngineSubject): Promise<void> {
  const { encoding } = await engine(kind.secrets())
  const own = kind.secrets().signer({ issuer: 'host-a', encoding })
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const notAfter = Number.MAX_SAFE_INTEGER
  const asSecret = [
    createSecretKey(publicKey.export({ format: 'der', type: 'spki' })),
    createSecretKey(Buffer.from(publicKey.export({ format: 'pem', type: 'spki' }))),
  ]
  const verifying = await engine(
    secretsWith(kind.secrets(), { verifier: () => ({ algorithm: 'ES256', key: publicKey, notAfter }) }),
  )
  for (const key of asSecret) {
    const forging = secretsWith(kind.secrets(), { signer: () => ({ ...own, algorithm: 'HS256', key }) })
    await assertRefused(
      verifying,
      await (await engine(forging)).issue(sampleClaims()),
      'an HMAC under a public key',
    )
  }
  const honest = secretsWith(kind.secrets(), {
    signer: () => ({ ...own, algorithm: 'ES256', key: privateKey }),
  })
  await verified(verifying, await (await engine(honest)).issue(sampleClaims()), 'a record under that key')
}
