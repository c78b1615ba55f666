import { describe, expect, it } from 'vitest'
import { manualClock } from '../testing/manual-clock.js'
import { DAY_MS, newCA, newNode, type TestCertificate } from './certificates-suite.js'
import { type PrepopulatedPKISecrets, prepopulatedPKISecrets } from './prepopulated-pki.js'

const clock = manualClock()
const ca = await newCA()
const hostA = await newNode(ca)
const hostB = await newNode(ca, { name: 'CN=host-b' })
const newB = await newNode(ca, { name: 'CN=host-b' })

const secretsOf = (node: TestCertificate, caCertPEM = ca.certPEM, now = clock.now) =>
  prepopulatedPKISecrets({ keyPEM: node.keyPEM, certPEM: node.certPEM, caCertPEM, now })

function judge(
  receiver: PrepopulatedPKISecrets,
  sender: PrepopulatedPKISecrets,
  changes: { issuer?: string } = {},
) {
  const use = { issuer: sender.serverID, encoding: 'binary' }
  return receiver.verifier({ ...use, keyID: sender.signer(use).keyID, ...changes })
}

function counted(secrets: PrepopulatedPKISecrets) {
  const seen = { calls: 0 }
  secrets.onChange(() => seen.calls++)
  return seen
}

const GOOD = expect.objectContaining({ algorithm: 'ES256' })
const refusal = (message: RegExp) =>
  expect.objectContaining({ code: 'ERR_SECRET', message: expect.stringMatching(message) })

describe('prepopulatedPKISecrets', () => {
  it('sends no credential, and knows itself alone at first', () => {
    const secrets = secretsOf(hostA)
    expect(secrets).toMatchObject({ mode: 'pki-prepopulated', serverID: 'host-a' })
    expect(secrets.signer({ issuer: 'host-a', encoding: 'binary' }).credential).toBeUndefined()
    expect(() => secrets.signer({ issuer: 'host-b', encoding: 'binary' })).toThrow(
      refusal(/issued to "host-a"/),
    )
    expect(judge(secrets, secrets)).toEqual(GOOD)
    expect(judge(secrets, secretsOf(hostB))).toBe('token')
  })

  it('accepts a host that was added, until its certificate ends or it is removed', () => {
    const later = manualClock()
    const secrets = secretsOf(hostA, undefined, later.now)
    const seen = counted(secrets)
    secrets.publicKeyAdd('host-b', hostB.certPEM)
    expect(judge(secrets, secretsOf(hostB))).toMatchObject({ notAfter: clock.now() / 1000 + 90 * 86_400 })
    later.advance(91 * DAY_MS)
    expect(judge(secrets, secretsOf(hostB))).toBe('clock')
    secrets.publicKeyRemove('host-b')
    expect(judge(secrets, secretsOf(hostB))).toBe('token')
    expect(seen.calls).toBe(2)
    secrets.publicKeyRemove('host-b')
    expect(seen.calls).toBe(2)
  })

  it('refuses a name that is not the certificate’s, and a certificate on the wire', () => {
    const secrets = secretsOf(hostA)
    secrets.publicKeyAdd('host-b', hostB.certPEM)
    expect(judge(secrets, secretsOf(hostB), { issuer: 'host-a' })).toBe('token')
    const { keyID } = secretsOf(hostB).signer({ issuer: 'host-b', encoding: 'binary' })
    const use = { issuer: 'host-b', encoding: 'binary', keyID, credential: hostB.der }
    expect(secrets.verifier(use)).toBe('token')
  })

  it('replaces the key of a host at once', () => {
    const secrets = secretsOf(hostA)
    const seen = counted(secrets)
    secrets.publicKeyAdd('host-b', hostB.certPEM)
    secrets.publicKeyAdd('host-b', newB.certPEM)
    expect(judge(secrets, secretsOf(hostB))).toBe('token')
    expect(judge(secrets, secretsOf(newB))).toEqual(GOOD)
    expect(seen.calls).toBe(2)
  })

  it('rotates the key of a host without a moment at which it is refused', () => {
    const [a, b] = [secretsOf(hostA), secretsOf(hostB)]
    const old = secretsOf(hostB)
    a.publicKeyAdd('host-b', hostB.certPEM)
    for (const node of [a, b]) node.publicKeyAdd('host-b', hostB.certPEM + newB.certPEM)
    expect(judge(a, b)).toEqual(GOOD)
    b.replace({ keyPEM: newB.keyPEM, certPEM: newB.certPEM })
    for (const receiver of [a, b]) {
      for (const sender of [b, old]) expect(judge(receiver, sender)).toEqual(GOOD)
    }
    for (const node of [a, b]) node.publicKeyAdd('host-b', newB.certPEM)
    for (const receiver of [a, b]) {
      expect(judge(receiver, b)).toEqual(GOOD)
      expect(judge(receiver, old)).toBe('token')
    }
  })

  it('refuses what it cannot vouch for, and changes nothing then', async () => {
    const secrets = secretsOf(hostA)
    secrets.publicKeyAdd('host-b', hostB.certPEM)
    const seen = counted(secrets)
    const add =
      (certPEM: string, host = 'host-b') =>
      () =>
        secrets.publicKeyAdd(host, certPEM)
    const other = await newCA({ name: 'CN=Other' })
    const stranger = await newNode(other, { name: 'CN=host-b' })
    expect(add(stranger.certPEM)).toThrow(
      refusal(/^publicKeyAdd\("host-b"\): certificate 1 is issued by "CN=Other"/),
    )
    expect(add(newB.certPEM + stranger.certPEM)).toThrow(refusal(/certificate 2 is issued/))
    expect(add(hostB.certPEM, 'host-c')).toThrow(refusal(/certificate 1 is that of "host-b"/))
    const expired = await newNode(ca, { name: 'CN=host-b', from: -9, to: -1 })
    expect(add(expired.certPEM)).toThrow(refusal(/has expired/))
    const plain = await newNode(ca, { name: 'CN=host-b', extensions: [] })
    expect(add(plain.certPEM)).toThrow(refusal(/may not sign identities/))
    expect(add(ca.certPEM)).toThrow(refusal(/is a CA's/))
    expect(add('')).toThrow(refusal(/holds no certificate/))
    expect(add(hostB.keyPEM)).toThrow(refusal(/holds a PRIVATE KEY/))
    expect(add(undefined as unknown as string)).toThrow(refusal(/of type undefined/))
    expect(seen.calls).toBe(0)
    expect(judge(secrets, secretsOf(hostB))).toEqual(GOOD)
  })

  it('refuses at once the hosts of a removed CA, and takes them again with it', async () => {
    const next = await newCA({ name: 'CN=Next' })
    const both = ca.certPEM + next.certPEM
    const foreign = await newNode(next, { name: 'CN=host-b' })
    const secrets = secretsOf(hostA, both)
    const seen = counted(secrets)
    secrets.publicKeyAdd('host-b', foreign.certPEM)
    const peer = secretsOf(foreign, both)
    secrets.replace({ caCertPEM: ca.certPEM })
    expect(judge(secrets, peer)).toBe('token')
    secrets.replace({ caCertPEM: both })
    expect(judge(secrets, peer)).toEqual(GOOD)
    expect(() => secrets.replace({ caCertPEM: next.certPEM })).toThrow(refusal(/^pki-prepopulated: certPEM/))
    expect(() => secrets.replace({ keyPEM: hostB.keyPEM, certPEM: hostB.certPEM })).toThrow(
      refusal(/issued to "host-b", expected "host-a"/),
    )
    expect(seen.calls).toBe(3)
  })

  it('flaw 3: a key ID chooses among the keys of its own host alone', () => {
    const secrets = secretsOf(hostA)
    secrets.publicKeyAdd('host-b', hostB.certPEM)
    const ownID = secrets.signer({ issuer: 'host-a', encoding: 'binary' }).keyID
    expect(secrets.verifier({ issuer: 'host-b', encoding: 'binary', keyID: ownID })).toBe('token')
    expect(judge(secrets, secretsOf(hostB))).toEqual(GOOD)
  })
})
