import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { RecordVerifier } from '../plugin.js'
import { manualClock } from '../testing/manual-clock.js'
import { DAY_MS, newCA, newKeys, newNode, type TestCertificate } from './certificates-suite.js'
import { type CompactPKISecrets, compactPKISecrets } from './compact-pki.js'
import { p256KeyID } from './p256-key.js'
import { formatPEM } from './pem.js'
import { pkiSecrets } from './pki.js'
import { STATEMENT_LABEL, signStatement } from './statement.js'

const clock = manualClock()
const NOW_S = clock.now() / 1000
const ca = await newCA()
const keysA = await newNode(ca)
const keysB = await newNode(ca, { name: 'CN=host-b' })

const privateKeyOf = ({ keyPEM }: { keyPEM: string }) => createPrivateKey(keyPEM)
const publicKeyOf = (holder: { keyPEM: string }) => createPublicKey(holder.keyPEM)

interface Wanted {
  readonly serverID?: string
  readonly notAfter?: number
  readonly by?: TestCertificate
  readonly publicKey?: KeyObject
}

function statementFor(node: TestCertificate, wanted: Wanted = {}): Uint8Array {
  const { serverID = node.name.slice(3), notAfter = NOW_S + 90 * 86_400, by = ca } = wanted
  const statement = { serverID, notAfter, publicKey: wanted.publicKey ?? publicKeyOf(node) }
  return signStatement(statement, privateKeyOf(by), p256KeyID(publicKeyOf(by)))
}

function secretsOf(
  node: TestCertificate,
  statement = statementFor(node),
  caCertPEM = ca.certPEM,
  now = clock.now,
) {
  const statementPEM = formatPEM(STATEMENT_LABEL, statement)
  return compactPKISecrets({ keyPEM: node.keyPEM, statementPEM, caCertPEM, now })
}

function judge(receiver: CompactPKISecrets, sender: CompactPKISecrets, changes: { issuer?: string } = {}) {
  const use = { issuer: sender.serverID, encoding: 'jwt' }
  const { keyID, credential } = sender.signer(use)
  return receiver.verifier({ ...use, keyID, credential: credential!, ...changes })
}

const refusal = (message: RegExp) =>
  expect.objectContaining({ code: 'ERR_SECRET', message: expect.stringMatching(message) })

describe('compactPKISecrets', () => {
  it('signs with the node key and sends its statement, 111 bytes and the name', () => {
    const secrets = secretsOf(keysA)
    const signer = secrets.signer({ issuer: 'host-a', encoding: 'jwt' })
    expect(signer).toMatchObject({ algorithm: 'ES256', keyID: p256KeyID(publicKeyOf(keysA)) })
    expect(signer.credential).toHaveLength(111 + 'host-a'.length)
    expect(secrets).toMatchObject({ mode: 'compact-pki', serverID: 'host-a', notAfter: NOW_S + 90 * 86_400 })
  })

  it('accepts a peer of the same CA, with its key, until statement or CA ends', () => {
    const verifier = judge(secretsOf(keysA), secretsOf(keysB)) as RecordVerifier
    expect(verifier).toMatchObject({ algorithm: 'ES256', notAfter: NOW_S + 90 * 86_400 })
    expect(verifier.key!.equals(publicKeyOf(keysB))).toBe(true)
    const long = secretsOf(keysB, statementFor(keysB, { notAfter: 0xffff_ffff }))
    expect(judge(secretsOf(keysA), long)).toMatchObject({ notAfter: NOW_S + 365 * 86_400 })
  })

  it('accepts statements of CAs between the root and the nodes', async () => {
    const middle = await newCA({ name: 'CN=Middle', issuer: ca, to: 60 })
    const statement = statementFor(keysB, { by: middle })
    expect(secretsOf(keysB, statement, ca.certPEM + middle.certPEM).notAfter).toBe(NOW_S + 60 * 86_400)
    expect(() => secretsOf(keysB, statement, middle.certPEM)).toThrow(refusal(/no chain/))
  })

  it('refuses at the start what would not do on the wire', async () => {
    const other = await newCA({ name: 'CN=Other' })
    expect(() => secretsOf(keysA, statementFor(keysA, { by: other }))).toThrow(
      refusal(/^compact-pki: statementPEM: is signed by key [0-9a-f]{16}, which is none/),
    )
    expect(() => secretsOf(keysA, statementFor(keysB))).toThrow(refusal(/keyPEM: is not the key .*"host-b"/))
    expect(() => secretsOf(keysA, statementFor(keysA, { notAfter: NOW_S - 1 }))).toThrow(
      refusal(/has expired/),
    )
    const coming = await newCA({ from: 1 })
    expect(() => secretsOf(keysA, statementFor(keysA, { by: coming }), coming.certPEM)).toThrow(
      refusal(/is not yet valid/),
    )
    expect(() => secretsOf(keysA, Buffer.from('nonsense'))).toThrow(refusal(/is no statement/))
    expect(() =>
      compactPKISecrets({ keyPEM: keysA.keyPEM, statementPEM: keysA.certPEM, caCertPEM: ca.certPEM }),
    ).toThrow(refusal(/holds CERTIFICATE, expected one TRIREME STATEMENT/))
    expect(() => secretsOf(keysA, statementFor(keysA), keysB.certPEM)).toThrow(refusal(/is no CA's/))
  })

  it('refuses on the wire another name, a stranger, an expired statement, and a certificate', async () => {
    const receiver = secretsOf(keysA)
    const sender = secretsOf(keysB)
    expect(judge(receiver, sender, { issuer: 'host-a' })).toBe('token')
    const other = await newCA({ name: 'CN=Other' })
    const stranger = secretsOf(keysB, statementFor(keysB, { by: other }), other.certPEM)
    expect(judge(receiver, stranger)).toBe('token')
    const use = { issuer: 'host-b', encoding: 'jwt', keyID: p256KeyID(publicKeyOf(keysB)) }
    expect(receiver.verifier(use)).toBe('token')
    expect(receiver.verifier({ ...use, credential: keysB.der })).toBe('token')
    const expired = statementFor(keysB, { notAfter: NOW_S - 1 })
    expect(receiver.verifier({ ...use, credential: expired })).toBe('clock')
    const pki = pkiSecrets({ ...keysA, caCertPEM: ca.certPEM, now: clock.now })
    expect(pki.verifier({ ...use, credential: statementFor(keysB) })).toBe('token')
  })

  it('forgets a remembered statement when it expires', () => {
    const later = manualClock()
    const receiver = secretsOf(keysA, undefined, undefined, later.now)
    expect(judge(receiver, secretsOf(keysB))).toMatchObject({ algorithm: 'ES256' })
    later.advance(90 * DAY_MS + 1)
    expect(judge(receiver, secretsOf(keysB))).toBe('clock')
  })

  it('rotates its key and its CA', async () => {
    const next = await newCA({ name: 'CN=Next' })
    const secrets = secretsOf(keysA)
    const old = secretsOf(keysB)
    const renewed = secretsOf(keysB, statementFor(keysB, { by: next }), next.certPEM)
    secrets.replace({ caCertPEM: ca.certPEM + next.certPEM })
    for (const sender of [old, renewed]) expect(judge(secrets, sender)).toMatchObject({ algorithm: 'ES256' })
    const fresh = await newNode(next)
    const statementPEM = formatPEM(STATEMENT_LABEL, statementFor(fresh, { by: next }))
    expect(() => secrets.replace({ statementPEM })).toThrow(refusal(/is not the key/))
    secrets.replace({ keyPEM: fresh.keyPEM, statementPEM })
    secrets.replace({ caCertPEM: next.certPEM })
    expect(judge(secrets, old)).toBe('token')
    expect(judge(secrets, renewed)).toMatchObject({ algorithm: 'ES256' })
  })

  it('flaw 3: the key belongs to the very statement shown', () => {
    const receiver = secretsOf(keysA)
    const victim = secretsOf(keysB)
    const insider = secretsOf(keysA, statementFor(keysA, { serverID: 'host-c' }))
    expect(judge(receiver, victim)).toMatchObject({ algorithm: 'ES256' })
    expect(judge(receiver, insider, { issuer: 'host-b' })).toBe('token')
  })
})

it('signStatement refuses other curves, names and times', async () => {
  const publicKey = publicKeyOf(keysA)
  const sign = (wanted: { serverID?: string; notAfter?: number; publicKey?: KeyObject }) => () =>
    signStatement(
      { serverID: 'host-a', notAfter: NOW_S, publicKey, ...wanted },
      privateKeyOf(ca),
      '0'.repeat(16),
    )
  const large = await newNode(ca, { keys: await newKeys('P-384') })
  expect(sign({ publicKey: publicKeyOf(large) })).toThrow(refusal(/secp384r1/))
  expect(sign({ serverID: '' })).toThrow(RangeError)
  expect(sign({ serverID: 'a'.repeat(256) })).toThrow(/256 bytes, expected 1 to 255/)
  for (const notAfter of [-1, 1.5, 0x1_0000_0000, Number.NaN]) expect(sign({ notAfter })).toThrow(RangeError)
})
