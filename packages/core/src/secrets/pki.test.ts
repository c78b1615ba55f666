import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { RecordVerifier } from '../plugin.js'
import { manualClock } from '../testing/manual-clock.js'
import { readCertificate } from './certificate.js'
import {
  type CertificateDifferences,
  caConstraints,
  DAY_MS,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  newCA,
  newKeys,
  newNode,
  newRSAKeys,
  nodeUsage,
  type TestCertificate,
} from './certificates-suite.js'
import { pemBlocks } from './pem.js'
import { type PKISecrets, pkiSecrets } from './pki.js'
import { isFault } from './secret-fault.js'

const clock = manualClock()
const ca = await newCA()
const hostA = await newNode(ca)
const hostB = await newNode(ca, { name: 'CN=host-b' })

const secretsOf = (node: TestCertificate, caCertPEM = ca.certPEM, now = clock.now) =>
  pkiSecrets({ keyPEM: node.keyPEM, certPEM: node.certPEM, caCertPEM, now })

/** What `receiver` says to a record that `sender` signed, as the wire shows it. */
function judge(receiver: PKISecrets, sender: PKISecrets, changes: { issuer?: string; keyID?: string } = {}) {
  const use = { issuer: sender.serverID, encoding: 'binary' }
  const { keyID, credential } = sender.signer(use)
  return receiver.verifier({ ...use, keyID, credential: credential!, ...changes })
}

/** A node's certificate that its own CA would not give out, as a peer shows it to host-a. */
async function judgeNode(differences: CertificateDifferences, issuer = ca) {
  const { der } = await newNode(issuer, differences)
  return secretsOf(hostA).verifier({
    issuer: 'host-a',
    encoding: 'binary',
    keyID: keyIDOf(der),
    credential: der,
  })
}

const keyIDOf = (der: Uint8Array) => {
  const certificate = readCertificate(der)
  return isFault(certificate) ? '0'.repeat(16) : certificate.keyID
}

const refusal = (message: RegExp) =>
  expect.objectContaining({
    name: 'TriremeError',
    code: 'ERR_SECRET',
    message: expect.stringMatching(message),
  })

describe('pkiSecrets', () => {
  it('signs with the node key and sends its certificate', () => {
    const secrets = secretsOf(hostA)
    const signer = secrets.signer({ issuer: 'host-a', encoding: 'binary' })
    expect(signer).toMatchObject({ algorithm: 'ES256', keyID: expect.stringMatching(/^[0-9a-f]{16}$/) })
    expect(Buffer.from(signer.credential!)).toEqual(Buffer.from(hostA.der))
    expect(signer.key!.type).toBe('private')
    expect(secrets).toMatchObject({ mode: 'pki', serverID: 'host-a' })
    expect(secrets.notAfter * 1000).toBe(clock.now() + 90 * DAY_MS)
    expect(secrets.sessionSecret('any')).toBeUndefined()
  })

  it('accepts a peer of the same CA, until the earliest end of its chain', async () => {
    const verifier = judge(secretsOf(hostA), secretsOf(hostB)) as RecordVerifier
    expect(verifier).toMatchObject({ algorithm: 'ES256', notAfter: clock.now() / 1000 + 90 * 86_400 })
    const longer = await newNode(ca, { to: 1000 })
    expect(secretsOf(longer).notAfter).toBe(clock.now() / 1000 + 365 * 86_400)
  })

  it('refuses records of this node under another name', () => {
    expect(() => secretsOf(hostA).signer({ issuer: 'host-b', encoding: 'binary' })).toThrow(
      refusal(/issued to "host-a", and this node is "host-b"/),
    )
  })

  it('takes a key behind its parameters, as openssl writes it, and text around certificates', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const sec1 = privateKey.export({ type: 'sec1', format: 'pem' })
    const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n'
    expect(() => pkiSecrets({ ...materialOf(hostA), keyPEM: parameters + sec1 })).toThrow(
      /is not the key for/,
    )
    const caCertPEM = `# ours\n${ca.certPEM}# end\n`
    expect(() => pkiSecrets({ ...materialOf(hostA), caCertPEM })).not.toThrow()
  })
})

const materialOf = (node: TestCertificate) => ({
  ...{ keyPEM: node.keyPEM, certPEM: node.certPEM, caCertPEM: ca.certPEM },
  now: clock.now,
})

describe('a key that pkiSecrets refuses at the start', () => {
  const load = (changes: Partial<ReturnType<typeof materialOf>>) => () =>
    pkiSecrets({ ...materialOf(hostA), ...changes })
  const pemOf = (key: ReturnType<typeof generateKeyPairSync>['privateKey']) =>
    key.export({ type: 'pkcs8', format: 'pem' }) as string

  it('does not belong to the certificate', () => {
    expect(load({ keyPEM: hostB.keyPEM })).toThrow(refusal(/^pki: keyPEM: is not the key .* "host-a"/))
  })

  it('is on another curve, of another kind, or on a curve that it spells out', () => {
    for (const namedCurve of ['P-384', 'secp256k1', 'P-521']) {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve })
      expect(load({ keyPEM: pemOf(privateKey) })).toThrow(refusal(/is a key on secp\w+, expected .* P-256/))
    }
    const ed25519 = generateKeyPairSync('ed25519').privateKey
    expect(load({ keyPEM: pemOf(ed25519) })).toThrow(refusal(/of type ed25519, expected an EC key/))
    const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey
    expect(load({ keyPEM: pemOf(rsa) })).toThrow(refusal(/of type rsa, expected an EC key/))
    const explicit = generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' }).privateKey
    expect(load({ keyPEM: pemOf(explicit) })).toThrow(refusal(/explicit curve parameters/))
  })

  it('is encrypted, missing, there twice, or unreadable; and is never quoted', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const cipher = { cipher: 'aes-128-cbc', passphrase: 'secret' }
    const encrypted = privateKey.export({ type: 'pkcs8', format: 'pem', ...cipher }) as string
    expect(load({ keyPEM: encrypted })).toThrow(refusal(/is encrypted/))
    const legacy = privateKey.export({ type: 'sec1', format: 'pem', ...cipher }) as string
    expect(load({ keyPEM: legacy })).toThrow(refusal(/is encrypted/))
    expect(load({ keyPEM: hostA.certPEM })).toThrow(refusal(/no private key or several/))
    expect(load({ keyPEM: hostA.keyPEM + hostB.keyPEM })).toThrow(refusal(/no private key or several/))
    expect(load({ keyPEM: undefined as unknown as string })).toThrow(refusal(/of type undefined/))
    const broken = '-----BEGIN PRIVATE KEY-----\nMIGHsecretAgEAMBMG\n-----END PRIVATE KEY-----\n'
    expect(load({ keyPEM: broken })).toThrow(refusal(/^((?!MIGHsecret).)*cannot be read/s))
  })
})

describe('a certificate that pkiSecrets refuses at the start', () => {
  const load = async (differences: CertificateDifferences, issuer = ca) => {
    const node = await newNode(issuer, differences)
    return () => secretsOf(node)
  }

  it('comes from another CA, also one of the same name', async () => {
    const other = await newCA({ name: 'CN=Other' })
    expect(await load({}, other)).toThrow(refusal(/^pki: certPEM: is issued by "CN=Other", which is none/))
    const namesake = await newCA()
    expect(await load({}, namesake)).toThrow(refusal(/is not signed by "CN=CA", the CA that it names/))
  })

  it('has expired, or is not yet valid', async () => {
    expect(await load({ from: -20, to: -1 })).toThrow(refusal(/has expired: .* 2029-12-31T00:00:00/))
    expect(await load({ from: 1, to: 20 })).toThrow(refusal(/is not yet valid: .* 2030-01-02T00:00:00/))
  })

  it('has no, or another, extended key usage', async () => {
    expect(await load({ extensions: [] })).toThrow(refusal(/may not sign identities.* 2\.25\./))
    const tls = new ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.1', '2.5.29.37.0'])
    expect(await load({ extensions: [tls] })).toThrow(refusal(/may not sign identities/))
  })

  it('may not sign, or may sign certificates', async () => {
    const agreement = new KeyUsagesExtension(KeyUsageFlags.keyAgreement, true)
    expect(await load({ extensions: [nodeUsage(), agreement] })).toThrow(refusal(/without digitalSignature/))
    expect(await load({ extensions: [nodeUsage(), caConstraints()] })).toThrow(refusal(/is a CA's/))
  })

  it('has no name, or more than one', async () => {
    expect(await load({ name: 'O=host-a' })).toThrow(refusal(/has 0 common names/))
    expect(await load({ name: 'CN=host-a, CN=host-b' })).toThrow(refusal(/has 2 common names/))
    expect(await load({ name: 'CN=host-a+CN=host-b' })).toThrow(refusal(/has 2 common names/))
    expect(await load({ name: 'CN=host-a, CN=host-a' })).toThrow(refusal(/has 2 common names/))
  })

  it('has a critical extension that nobody understands, or is signed with SHA-1', async () => {
    const unknown = new Extension('1.2.3.4', true, Uint8Array.of(5, 0))
    expect(await load({ extensions: [nodeUsage(), unknown] })).toThrow(
      refusal(/critical extension .* 2a0304/),
    )
    const harmless = new Extension('1.2.3.4', false, Uint8Array.of(5, 0))
    expect(await load({ extensions: [nodeUsage(), harmless] })).not.toThrow()
    expect(await load({ hash: 'SHA-1' })).toThrow(refusal(/expected ECDSA with SHA-256/))
    expect(await load({ hash: 'SHA-384' })).not.toThrow()
  })

  it('has a key of another curve or kind', async () => {
    expect(await load({ keys: await newKeys('P-384') })).toThrow(refusal(/is a key on secp384r1/))
    expect(await load({ keys: await newRSAKeys() })).toThrow(refusal(/of type rsa/))
  })

  it('is not one certificate in PEM', () => {
    const load = (certPEM: string) => () => pkiSecrets({ ...materialOf(hostA), certPEM })
    expect(load('')).toThrow(refusal(/^pki: certPEM: holds no PEM, expected one CERTIFICATE/))
    expect(load(hostA.certPEM + ca.certPEM)).toThrow(refusal(/holds CERTIFICATE, CERTIFICATE/))
    expect(load(hostA.keyPEM)).toThrow(refusal(/holds PRIVATE KEY/))
    expect(load(hostA.certPEM.replace('MII', 'MIJ'))).toThrow(refusal(/is no X\.509 certificate/))
    expect(load(Buffer.from('x') as unknown as string)).toThrow(refusal(/of type object/))
  })
})

describe('a CA that pkiSecrets refuses at the start', () => {
  const load = (caCertPEM: string) => () => pkiSecrets({ ...materialOf(hostA), caCertPEM })

  it('is no CA, or may not sign certificates, or only for other uses', async () => {
    expect(load(ca.certPEM + hostB.certPEM)).toThrow(
      refusal(/"host-b" is no CA's, expected basicConstraints/),
    )
    const plain = await newCA({ extensions: [] })
    expect(load(plain.certPEM)).toThrow(refusal(/is no CA's/))
    const usage = new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true)
    const cannotSign = await newCA({ extensions: [caConstraints(), usage] })
    expect(load(cannotSign.certPEM)).toThrow(refusal(/without keyCertSign/))
    const tls = await newCA({
      extensions: [caConstraints(), new ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.1'])],
    })
    expect(load(tls.certPEM)).toThrow(refusal(/restricted to other uses/))
    const named = await newCA({
      extensions: [caConstraints(), new Extension('2.5.29.30', true, Uint8Array.of(0x30, 0))],
    })
    expect(load(named.certPEM)).toThrow(refusal(/critical extension/))
  })

  it('has expired, or is not yet valid', async () => {
    const expired = await newCA({ from: -30, to: -1 })
    const node = await newNode(expired)
    expect(() => secretsOf(node, expired.certPEM)).toThrow(refusal(/has expired: it, or a CA/))
    const coming = await newCA({ from: 1, to: 30 })
    const early = await newNode(coming)
    expect(() => secretsOf(early, coming.certPEM)).toThrow(refusal(/is not yet valid: it, or a CA/))
  })

  it('is on another curve', async () => {
    const large = await newCA({ keys: await newKeys('P-384') })
    expect(load(large.certPEM)).toThrow(refusal(/^pki: caCertPEM: certificate 1 is a key on secp384r1/))
  })

  it('is not there, or not alone', () => {
    expect(load('')).toThrow(refusal(/^pki: caCertPEM: holds no certificate/))
    expect(load(ca.certPEM + hostA.keyPEM)).toThrow(refusal(/holds a PRIVATE KEY/))
  })
})

describe('a bundle of several CAs', () => {
  it('vouches through intermediates, whose earliest end counts', async () => {
    const middle = await newCA({ name: 'CN=Middle', issuer: ca, to: 60 })
    const low = await newCA({ name: 'CN=Low', issuer: middle, to: 80 })
    const node = await newNode(low)
    const bundle = [low, ca, middle].map(({ certPEM }) => certPEM).join('')
    expect(secretsOf(node, bundle).notAfter).toBe(clock.now() / 1000 + 60 * 86_400)
    expect(() => secretsOf(node, ca.certPEM)).toThrow(refusal(/is issued by "CN=Low", which is none/))
    expect(() => secretsOf(node, low.certPEM + ca.certPEM)).toThrow(
      refusal(/"Low" is issued by "CN=Middle", and no chain/),
    )
  })

  it('refuses a chain that is longer than an authority allows', async () => {
    const root = await newCA({ name: 'CN=Root', extensions: [caConstraints(0)] })
    const middle = await newCA({ name: 'CN=Middle', issuer: root })
    const direct = await newNode(root)
    expect(() => secretsOf(direct, root.certPEM)).not.toThrow()
    expect(() => secretsOf(direct, root.certPEM + middle.certPEM)).toThrow(refusal(/within its path length/))
  })

  it('refuses CAs that vouch for each other alone', async () => {
    const keys = await newKeys()
    const one = await newCA({ name: 'CN=One' })
    const two = await newCA({ name: 'CN=Two', issuer: one, keys })
    const oneAgain = await newCA({ name: 'CN=One', issuer: two, keys: one.keys })
    const node = await newNode(two)
    expect(() => secretsOf(node, two.certPEM + oneAgain.certPEM)).toThrow(refusal(/no chain/))
    expect(() => secretsOf(node, two.certPEM + oneAgain.certPEM + one.certPEM)).not.toThrow()
  })

  it('tells CAs of one name apart, and takes the longest-lived of one key', async () => {
    const namesake = await newCA()
    const renewed = await newCA({ keys: ca.keys, to: 1000 })
    const node = await newNode(namesake, { name: 'CN=host-b' })
    const both = ca.certPEM + namesake.certPEM
    expect(judge(secretsOf(hostA, both), secretsOf(node, both))).toMatchObject({ algorithm: 'ES256' })
    const long = await newNode(ca, { to: 2000 })
    expect(secretsOf(long, ca.certPEM + renewed.certPEM).notAfter).toBe(clock.now() / 1000 + 1000 * 86_400)
  })

  it('is not spoilt by one that has expired or is yet to come', async () => {
    const expired = await newCA({ name: 'CN=Expired', to: -1 })
    const coming = await newCA({ name: 'CN=Coming', from: 1 })
    const bundle = expired.certPEM + ca.certPEM + coming.certPEM
    const receiver = secretsOf(hostA, bundle)
    expect(judge(receiver, secretsOf(hostB))).toMatchObject({ algorithm: 'ES256' })
    const late = await newNode(expired, { name: 'CN=host-b' })
    const early = await newNode(coming, { name: 'CN=host-b' })
    for (const { der } of [late, early]) {
      const use = { issuer: 'host-b', encoding: 'binary', keyID: '0'.repeat(16), credential: der }
      expect(receiver.verifier(use)).toBe('clock')
    }
  })
})

describe('what a peer shows on the wire', () => {
  it('is refused with "token" without certificate, or with another name or key ID', () => {
    const [receiver, sender] = [secretsOf(hostA), secretsOf(hostB)]
    const { keyID } = sender.signer({ issuer: 'host-b', encoding: 'binary' })
    expect(receiver.verifier({ issuer: 'host-b', encoding: 'binary', keyID })).toBe('token')
    expect(judge(receiver, sender, { issuer: 'host-a' })).toBe('token')
    expect(judge(receiver, sender, { issuer: 'HOST-B' })).toBe('token')
    expect(judge(receiver, sender, { keyID: '0'.repeat(16) })).toBe('token')
    expect(judge(receiver, sender, { keyID: keyID.toUpperCase() })).toBe('token')
  })

  it('is refused with "token" for every certificate that a start would refuse', async () => {
    const other = await newCA({ name: 'CN=Other' })
    expect(await judgeNode({}, other)).toBe('token')
    expect(await judgeNode({ extensions: [] })).toBe('token')
    expect(await judgeNode({ extensions: [nodeUsage(), caConstraints()] })).toBe('token')
    expect(await judgeNode({ name: 'CN=host-a, CN=host-b' })).toBe('token')
    expect(await judgeNode({ keys: await newKeys('P-384') })).toBe('token')
    expect(await judgeNode({ keys: await newRSAKeys() })).toBe('token')
  })

  it('is refused with "clock" where time alone is wrong, with leeway for what begins', async () => {
    expect(await judgeNode({ from: -20, to: -1 })).toBe('clock')
    expect(await judgeNode({ from: 1, to: 20 })).toBe('clock')
    expect(await judgeNode({ from: 20 / 86_400, to: 20 })).toMatchObject({ algorithm: 'ES256' })
    expect(await judgeNode({ from: 40 / 86_400, to: 20 })).toBe('clock')
  })

  it('expires while it is remembered', () => {
    const later = manualClock()
    const receiver = secretsOf(hostA, ca.certPEM, later.now)
    expect(judge(receiver, secretsOf(hostB))).toMatchObject({ algorithm: 'ES256' })
    later.advance(90 * DAY_MS)
    expect(judge(receiver, secretsOf(hostB))).toMatchObject({ algorithm: 'ES256' })
    later.advance(1)
    expect(judge(receiver, secretsOf(hostB))).toBe('clock')
  })

  it('is taken in one form: no PEM, nothing behind the certificate, no byte changed', () => {
    const receiver = secretsOf(hostA)
    const { keyID } = secretsOf(hostB).signer({ issuer: 'host-b', encoding: 'binary' })
    const show = (credential: Uint8Array) =>
      receiver.verifier({ issuer: 'host-b', encoding: 'binary', keyID, credential })
    expect(show(hostB.der)).toMatchObject({ algorithm: 'ES256' })
    expect(show(Buffer.from(hostB.certPEM))).toBe('token')
    expect(show(Uint8Array.from([...hostB.der, 0]))).toBe('token')
    expect(show(new Uint8Array(0))).toBe('token')
    for (let at = 0; at < hostB.der.length; at++) {
      expect(show(hostB.der.subarray(0, at)), `cut at ${at}`).toBe('token')
      const changed = Uint8Array.from(hostB.der)
      changed[at]! ^= 1
      expect(show(changed), `changed at ${at}`).toBe('token')
    }
  })
})

describe('rotation of pkiSecrets', () => {
  it('goes from CA to CA with every pair of hosts good at every step, and drops the old one last', async () => {
    const next = await newCA({ name: 'CN=Next' })
    const both = ca.certPEM + next.certPEM
    const hosts = [
      { secrets: secretsOf(hostA), renewed: await newNode(next) },
      { secrets: secretsOf(hostB), renewed: await newNode(next, { name: 'CN=host-b' }) },
    ]
    const oldest = secretsOf(hostB)
    const steps = [
      () => ({ caCertPEM: both }),
      ({ keyPEM, certPEM }: TestCertificate) => ({ keyPEM, certPEM }),
      () => ({ caCertPEM: next.certPEM }),
    ]
    for (const step of steps) {
      for (const { secrets, renewed } of hosts) {
        secrets.replace(step(renewed))
        for (const one of hosts) {
          for (const other of hosts) {
            expect(judge(one.secrets, other.secrets)).toMatchObject({ algorithm: 'ES256' })
          }
        }
      }
    }
    expect(judge(hosts[0]!.secrets, oldest)).toBe('token')
  })

  it('tells its listeners, and refuses at once what a removed CA had vouched for', async () => {
    const next = await newCA({ name: 'CN=Next' })
    const foreign = await newNode(next, { name: 'CN=host-b' })
    const secrets = secretsOf(hostA, ca.certPEM + next.certPEM)
    const peer = secretsOf(foreign, next.certPEM)
    let calls = 0
    const stop = secrets.onChange(() => calls++)
    expect(judge(secrets, peer)).toMatchObject({ algorithm: 'ES256' })
    secrets.replace({ caCertPEM: ca.certPEM })
    expect(calls).toBe(1)
    expect(judge(secrets, peer)).toBe('token')
    secrets.replace({ caCertPEM: ca.certPEM + next.certPEM })
    expect(judge(secrets, peer)).toMatchObject({ algorithm: 'ES256' })
    stop()
    secrets.replace({})
    expect(calls).toBe(2)
  })

  it('changes nothing where the new whole would not do', async () => {
    const next = await newCA({ name: 'CN=Next' })
    const secrets = secretsOf(hostA)
    let calls = 0
    secrets.onChange(() => calls++)
    expect(() => secrets.replace({ caCertPEM: next.certPEM })).toThrow(
      refusal(/certPEM: is issued by "CN=CA"/),
    )
    expect(() => secrets.replace({ keyPEM: hostB.keyPEM })).toThrow(refusal(/is not the key/))
    expect(() => secrets.replace({ keyPEM: hostB.keyPEM, certPEM: hostB.certPEM })).toThrow(
      refusal(/issued to "host-b", expected "host-a"/),
    )
    expect(calls).toBe(0)
    expect(judge(secrets, secretsOf(hostB))).toMatchObject({ algorithm: 'ES256' })
  })
})

describe('flaws', () => {
  it('flaw 3: the key belongs to the very certificate shown, whatever was shown before', async () => {
    const receiver = secretsOf(hostA)
    const victim = secretsOf(hostB)
    const insider = secretsOf(await newNode(ca, { name: 'CN=host-c' }))
    const victimUse = { issuer: 'host-b', encoding: 'binary' }
    const { keyID } = victim.signer(victimUse)
    expect(judge(receiver, victim)).toMatchObject({ algorithm: 'ES256' })
    const { credential, keyID: insiderID } = insider.signer({ issuer: 'host-c', encoding: 'binary' })
    expect(receiver.verifier({ ...victimUse, keyID, credential: credential! })).toBe('token')
    expect(receiver.verifier({ ...victimUse, keyID: insiderID, credential: credential! })).toBe('token')
    const shown = judge(receiver, insider) as RecordVerifier
    expect(shown.key!.equals((judge(receiver, victim) as RecordVerifier).key!)).toBe(false)
  })

  it('flaw 6: leaving the certificate out chooses no older or weaker protocol', () => {
    const receiver = secretsOf(hostA)
    const { keyID } = secretsOf(hostB).signer({ issuer: 'host-b', encoding: 'binary' })
    expect(receiver.verifier({ issuer: 'host-b', encoding: 'binary', keyID })).toBe('token')
    expect(receiver.verifier({ issuer: 'host-b', encoding: 'binary', keyID: '' })).toBe('token')
  })

  it('flaw 17: nothing that a key signs outlives the key, its certificate or a CA above it', async () => {
    const shortCA = await newCA({ name: 'CN=Short', to: 2 })
    const node = await newNode(shortCA, { name: 'CN=host-b', to: 400 })
    const bundle = ca.certPEM + shortCA.certPEM
    const verifier = judge(secretsOf(hostA, bundle), secretsOf(node, bundle)) as RecordVerifier
    expect(verifier.notAfter).toBe(clock.now() / 1000 + 2 * 86_400)
  })
})

it('reads blocks as they are', () => {
  expect(pemBlocks(hostA.certPEM)).toMatchObject([{ label: 'CERTIFICATE', der: hostA.der }])
})
