/** Certificates that a CA did sign, in forms and with limits that must not go unread. */
import { sign } from 'node:crypto'
import { expect, it } from 'vitest'
import { readCertificate } from './certificate.js'
import {
  caConstraints,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  newCA,
  newKeys,
  newNode,
  nodeUsage,
} from './certificates-suite.js'
import { readDER } from './der.js'
import { isFault } from './secret-fault.js'
import { TrustStore } from './trust-store.js'

const SEQUENCE = 0x30
const BIT_STRING = 0x03
const EXTENSIONS = 0xa3

const problemOf = (der: Uint8Array) => {
  const certificate = readCertificate(der)
  return isFault(certificate) ? certificate.problem : undefined
}

it('refuses extensions whose list has a length in more octets than it needs, as OpenSSL takes it', async () => {
  const ca = await newCA()
  const limits = [
    new Extension('1.2.3.4', true, Uint8Array.of(5, 0)),
    new KeyUsagesExtension(KeyUsageFlags.keyAgreement, true),
  ]
  const { der } = await newNode(ca, { extensions: [nodeUsage(), ...limits] })
  expect(problemOf(signedAgain(der, ca.keyPEM, element))).toMatch(/critical extension/)
  expect(problemOf(signedAgain(der, ca.keyPEM, longElement))).toMatch(/no well-formed/)
})

it('refuses name constraints, also where they are not critical: nothing here would keep them', async () => {
  const onlyExample = Buffer.from('3010a00e300c820a6578616d706c652e636f6d', 'hex')
  for (const isCritical of [true, false]) {
    const { certPEM } = await newCA({
      extensions: [caConstraints(), new Extension('2.5.29.30', isCritical, onlyExample)],
    })
    expect(() => new TrustStore(certPEM, 'ca')).toThrow(/551d1e/)
  }
})

it('takes a path length that cannot be read for none at all', async () => {
  const root = await newCA({ name: 'CN=Root' })
  const inLongForm = new Extension('2.5.29.19', true, Buffer.from('3081060101ff020100', 'hex'))
  const low = await newCA({ name: 'CN=Low', issuer: root, extensions: [inLongForm] })
  const lower = await newCA({ name: 'CN=Lower', issuer: low })
  expect(() => new TrustStore(root.certPEM + low.certPEM, 'ca')).not.toThrow()
  expect(() => new TrustStore(root.certPEM + low.certPEM + lower.certPEM, 'ca')).toThrow(/path length/)
})

it('finds the chains of CAs that all signed each other in good time', async () => {
  const root = await newCA({ name: 'CN=Root' })
  const names = ['A', 'B', 'C', 'D', 'E', 'F'].map(name => `CN=${name}`)
  const own = await Promise.all(names.map(async name => newCA({ name, issuer: root, keys: await newKeys() })))
  const crossed = own.flatMap(({ name, keys }) =>
    own.filter(issuer => issuer.name !== name).map(issuer => newCA({ name, keys, issuer, to: 100 })),
  )
  const bundle = [root, ...own, ...(await Promise.all(crossed))].map(({ certPEM }) => certPEM).join('')
  const node = readCertificate((await newNode(own[0]!)).der)
  if (isFault(node)) throw new Error(node.problem)
  const began = performance.now()
  expect(new TrustStore(bundle, 'ca').validitiesOf(node)).toContainEqual(node.validity)
  expect(performance.now() - began).toBeLessThan(10_000)
}, 30_000)

type Encode = (tag: number, content: Uint8Array) => Buffer

/** The certificate with its list of extensions encoded by `list`, and a signature that holds. */
function signedAgain(der: Uint8Array, keyPEM: string, list: Encode): Buffer {
  const [certificate] = readDER(der)!
  const [tbs, algorithm] = readDER(certificate!.content)!
  const fields = readDER(tbs!.content)!.map(({ tag, content }) => {
    const inner = tag === EXTENSIONS ? list(SEQUENCE, readDER(content)![0]!.content) : content
    return element(tag, inner)
  })
  const signed = element(SEQUENCE, Buffer.concat(fields))
  const signature = Buffer.concat([Buffer.of(0), sign('sha256', signed, keyPEM)])
  const rest = [element(SEQUENCE, algorithm!.content), element(BIT_STRING, signature)]
  return element(SEQUENCE, Buffer.concat([signed, ...rest]))
}

function element(tag: number, content: Uint8Array): Buffer {
  const { length } = content
  const octets =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...octets), content])
}

/** BER takes any number of octets, DER the fewest (X.690 §10.1). */
function longElement(tag: number, content: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(tag, 0x83, 0, content.length >> 8, content.length & 0xff), content])
}
