import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  compactPKISecrets,
  formatPEM,
  MAX_RECORD_BYTES,
  NODE_KEY_USAGE,
  pkiSecrets,
  pskSecrets,
  STATEMENT_LABEL,
  signStatement,
} from '@trireme/core'
import { binaryTokens } from '@trireme/tokens-binary'
import { CommanderError } from 'commander'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readPSK } from '../auth/read-secret-file.js'
import { buildProgram } from '../program.js'
import { mintNodeCertificate } from './mint-certificate.js'
import { newCA } from './new-ca.js'
import { newNode } from './new-node.js'
import { newPSK } from './new-psk.js'
import { showKeys } from './show-keys.js'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trireme-keys-'))
})

afterEach(() => rm(folder, { recursive: true }))

const at = (...names: string[]) => join(folder, ...names)
const text = (...names: string[]) => readFile(at(...names), 'utf8')
const badInput = (message: RegExp) =>
  expect.objectContaining({ exitStatus: 2, message: expect.stringMatching(message) })

async function newPKI(compact = false): Promise<void> {
  await newCA({ out: at('ca'), name: 'Our CA', days: 30 })
  await newNode({ ca: at('ca'), out: at('a'), name: 'host-a', days: 10, compact })
  await newNode({ ca: at('ca'), out: at('b'), name: 'host-b', days: 10, compact })
}

async function materialOf(node: string) {
  return {
    keyPEM: await text(node, 'key.pem'),
    certPEM: await text(node, 'cert.pem'),
    caCertPEM: await text(node, 'ca.pem'),
  }
}

describe('keys psk', () => {
  it('prints or writes 32 random bytes, another time others, as the daemon reads them', async () => {
    const line = await newPSK({})
    expect(line).toMatch(/^[\w-]{43}\n$/)
    expect(await newPSK({})).not.toBe(line)
    expect(await newPSK({ out: at('deep', 'psk') })).not.toContain(await text('deep', 'psk'))
    expect(await readPSK(at('deep', 'psk'))).toHaveLength(43)
    expect((await stat(at('deep'))).mode & 0o777).toBe(0o700)
  })

  it('overwrites with --force alone, and the new file is its owner’s', async () => {
    await writeFile(at('psk'), 'mine', { mode: 0o644 })
    await expect(newPSK({ out: at('psk') })).rejects.toEqual(badInput(/psk exists: --force overwrites it/))
    expect(await text('psk')).toBe('mine')
    await newPSK({ out: at('psk'), force: true })
    expect((await stat(at('psk'))).mode & 0o777).toBe(0o600)
    expect(await readdir(folder)).toEqual(['psk'])
  })
})

describe('keys ca and keys node', () => {
  it('make what pkiSecrets accept of each other, every file 0600', async () => {
    await newPKI()
    const [a, b] = [pkiSecrets(await materialOf('a')), pkiSecrets(await materialOf('b'))]
    const use = { issuer: 'host-b', encoding: 'binary' }
    const { keyID, credential } = b.signer(use)
    expect(a.verifier({ ...use, keyID, credential: credential! })).toMatchObject({ algorithm: 'ES256' })
    for (const name of ['ca', 'a', 'b']) {
      expect((await stat(at(name))).mode & 0o777).toBe(0o700)
      for (const file of await readdir(at(name)))
        expect((await stat(at(name, file))).mode & 0o777).toBe(0o600)
    }
    expect(await readdir(at('a'))).toEqual(['ca.pem', 'cert.pem', 'key.pem'])
  })

  it('make lean certificates with our extended key usage, backdated and no longer than the CA', async () => {
    await newCA({ out: at('ca'), name: 'Our CA', days: 3 })
    const said = await newNode({ ca: at('ca'), out: at('a'), name: 'host-a', days: 10 })
    const ca = new X509Certificate(await text('ca', 'ca.pem'))
    const cert = new X509Certificate(await text('a', 'cert.pem'))
    expect(cert).toMatchObject({ subject: 'CN=host-a', issuer: 'CN=Our CA', ca: false, validTo: ca.validTo })
    expect(cert.keyUsage).toEqual([NODE_KEY_USAGE])
    expect(cert.raw.length).toBeLessThan(300)
    expect(cert.raw.length).toBeLessThan(MAX_RECORD_BYTES / 3)
    expect(Date.parse(cert.validFrom)).toBeLessThan(Date.now() - 290_000)
    expect(said).toContain(new Date(cert.validTo).toISOString())
    expect(ca.ca).toBe(true)
  })

  it('make certificates beside which 32 tags of any length fit, also with long names', async () => {
    const serverID = 'worker-017.prod.eu-1.example.com'
    await newCA({ out: at('ca'), name: 'Fleet CA', days: 30 })
    await newNode({ ca: at('ca'), out: at('a'), name: serverID, days: 10 })
    const secrets = pkiSecrets(await materialOf('a'))
    const tags = Array.from({ length: 32 }, (_, index) => ({ key: `key-${index}`, value: 'x'.repeat(1000) }))
    const subject = { puID: '0123456789ab', tags, ephemeralKey: new Uint8Array(32) }
    const [notBefore, notAfter] = [1_700_000_000, 1_700_000_180]
    const record = binaryTokens()({ secrets }).issue({ issuer: serverID, ...subject, notBefore, notAfter })
    expect(record.length).toBeLessThanOrEqual(MAX_RECORD_BYTES)
  })

  it('make statements with --compact', async () => {
    await newPKI(true)
    expect(await readdir(at('b'))).toEqual(['ca.pem', 'key.pem', 'statement.pem'])
    const secrets = compactPKISecrets({
      keyPEM: await text('b', 'key.pem'),
      statementPEM: await text('b', 'statement.pem'),
      caCertPEM: await text('b', 'ca.pem'),
    })
    expect(secrets.serverID).toBe('host-b')
  })

  it('issue with the CA whose key is there, and hand out the whole bundle', async () => {
    await newCA({ out: at('old'), name: 'Old', days: 30 })
    await newCA({ out: at('new'), name: 'New', days: 30 })
    const bundle = (await text('old', 'ca.pem')) + (await text('new', 'ca.pem'))
    await writeFile(at('new', 'ca.pem'), bundle)
    await newNode({ ca: at('new'), out: at('a'), name: 'host-a', days: 1 })
    expect(await text('a', 'ca.pem')).toBe(bundle)
    expect(new X509Certificate(await text('a', 'cert.pem')).issuer).toBe('CN=New')
  })

  it('refuse to overwrite anything, and then write nothing', async () => {
    await newPKI()
    const before = await text('ca', 'ca-key.pem')
    await expect(newCA({ out: at('ca'), name: 'X', days: 1 })).rejects.toEqual(badInput(/ca-key\.pem exists/))
    await rm(at('a', 'key.pem'))
    const order = { ca: at('ca'), out: at('a'), name: 'host-a', days: 1 }
    await expect(newNode(order)).rejects.toEqual(badInput(/cert\.pem exists/))
    expect(await readdir(at('a'))).toEqual(['ca.pem', 'cert.pem'])
    expect(await text('ca', 'ca-key.pem')).toBe(before)
    await newNode({ ...order, force: true })
    expect(pkiSecrets(await materialOf('a')).serverID).toBe('host-a')
  })

  it('refuse names that no node may have, and a folder that is no CA’s', async () => {
    await newPKI()
    const order = { ca: at('ca'), out: at('c'), name: 'host-c', days: 1 }
    for (const name of ['', '-x', 'a b', 'a,CN=b', 'x'.repeat(65), 'ü', 'a\n']) {
      await expect(newNode({ ...order, name })).rejects.toEqual(badInput(/expected a server ID/))
    }
    for (const name of ['', 'a\nb', 'x'.repeat(65), '\u202eCA']) {
      await expect(newCA({ out: at('other'), name, days: 1 })).rejects.toEqual(
        badInput(/printable characters/),
      )
    }
    await expect(newNode({ ...order, ca: at('nowhere') })).rejects.toEqual(
      badInput(/ca-key\.pem cannot be read: ENOENT/),
    )
    await writeFile(at('ca', 'ca-key.pem'), 'nonsense')
    await expect(newNode(order)).rejects.toEqual(badInput(/holds no private key/))
    await writeFile(at('ca', 'ca-key.pem'), await text('a', 'key.pem'))
    await expect(newNode(order)).rejects.toEqual(badInput(/no certificate of the key/))
    await writeFile(at('file'), '')
    await expect(newCA({ out: at('file'), name: 'X', days: 1 })).rejects.toEqual(
      badInput(/cannot be made: EEXIST/),
    )
  })

  it('take names with signs that a distinguished name would escape', async () => {
    await newCA({ out: at('ca'), name: 'Müller, "O=x" + CN=y', days: 30 })
    await newNode({ ca: at('ca'), out: at('a'), name: 'host-a', days: 10 })
    expect(pkiSecrets(await materialOf('a')).serverID).toBe('host-a')
  })
})

describe('keys show', () => {
  it('shows names, key IDs and validity, and no byte of a secret', async () => {
    await newPKI()
    await newPSK({ out: at('psk') })
    const shown = (await showKeys(at('a'))) + (await showKeys(at('ca'))) + (await showKeys(at('psk')))
    const { keyID } = pkiSecrets(await materialOf('a')).signer({ issuer: 'host-a', encoding: 'binary' })
    expect(shown).toMatch(
      new RegExp(`cert.pem: node certificate CN=host-a, issued by CN=Our CA, key ID ${keyID}, good`),
    )
    expect(shown).toMatch(new RegExp(`key.pem: private key, key ID ${keyID}\n`))
    expect(shown).toMatch(
      /ca\.pem: CA certificate CN=Our CA, self-signed, key ID [0-9a-f]{16}, good until 20/,
    )
    const psk = (await text('psk')).trim()
    const pskID = pskSecrets({ key: Buffer.from(psk) }).signer({ issuer: 'x', encoding: 'y' }).keyID
    expect(shown).toContain(`psk: no PEM: as a pre-shared key 43 bytes, key ID ${pskID}`)
    const secret = createPrivateKey(await text('a', 'key.pem')).export({ format: 'jwk' }).d!
    const keyLines = (await text('a', 'key.pem')).split('\n').filter(line => line && !line.startsWith('-'))
    for (const part of [psk.slice(0, 10), secret.slice(0, 10), ...keyLines.map(line => line.slice(0, 20))]) {
      expect(shown).not.toContain(part)
    }
  })

  it('shows a statement with its signer', async () => {
    await newPKI(true)
    const [, caKeyID] = /key ID (\w+)/.exec(await showKeys(at('ca', 'ca.pem')))!
    expect(await showKeys(at('a', 'statement.pem'))).toMatch(
      new RegExp(`statement of host-a, signed by key ID ${caKeyID}, key ID \\w{16}, good until .*117 bytes`),
    )
  })

  it('says what is of no use, and fails where there is nothing', async () => {
    await writeFile(at('short'), 'abc')
    expect(await showKeys(at('short'))).toContain('3 bytes are too few')
    await writeFile(at('broken'), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
    expect(await showKeys(at('broken'))).toContain('CERTIFICATE that cannot be read')
    await writeFile(at('large'), Buffer.alloc(5000))
    expect(await showKeys(at('large'))).toContain('too many')
    await expect(showKeys(at('nowhere'))).rejects.toEqual(badInput(/cannot be read: ENOENT/))
    await mkdir(at('empty'))
    await expect(showKeys(at('empty'))).rejects.toEqual(badInput(/holds no file/))
  })

  it('marks what has expired and what is yet to come', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const statement = signStatement({ serverID: 'a', publicKey, notAfter: 1 }, privateKey, '0'.repeat(16))
    await writeFile(at('statement'), formatPEM(STATEMENT_LABEL, statement))
    expect(await showKeys(at('statement'))).toContain('EXPIRED at 1970-01-01T00:00:01.000Z')
    const window = { notBefore: new Date(Date.UTC(2090)), notAfter: new Date(Date.UTC(2091)) }
    const signer = { name: 'ca', privateKey }
    await writeFile(at('cert'), await mintNodeCertificate({ subject: 'a', publicKey, signer, ...window }))
    expect(await showKeys(at('cert'))).toContain('NOT YET VALID: from 2090-01-01')
  })
})

describe('the command line', () => {
  const parse = async (...args: string[]) => {
    const program = buildProgram(() => {})
    for (const command of [program, ...program.commands]) {
      command.exitOverride().configureOutput({ writeErr: () => {} })
    }
    const keys = program.commands.find(command => command.name() === 'keys')!
    for (const command of keys.commands) command.configureOutput({ writeErr: () => {} })
    await program.parseAsync(args, { from: 'user' })
  }

  it('makes files', async () => {
    await parse('keys', 'ca', '--out', at('ca'), '--name', 'Our CA')
    await parse(
      'keys',
      'node',
      '--ca',
      at('ca'),
      '--name',
      'host-a',
      '--compact',
      '--out',
      at('a'),
      '--days',
      '5',
    )
    expect(await readdir(at('a'))).toContain('statement.pem')
  })

  it.each([
    [['keys', 'ca', '--out', 'x']],
    [['keys', 'node', '--ca', 'x', '--out', 'y']],
    [['keys', 'node', '--ca', 'x', '--out', 'y', '--name', 'a', '--days', '0']],
    [['keys', 'psk', 'extra', '--what']],
    [['keys', 'show']],
  ])('refuses %j without ending the process', async args => {
    await expect(parse(...args)).rejects.toBeInstanceOf(CommanderError)
  })
})
