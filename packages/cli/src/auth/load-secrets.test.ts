import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RecordUse, Secrets } from '@trireme/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newCA } from '../keys/new-ca.js'
import { newNode } from '../keys/new-node.js'
import type { AuthConfig } from './auth-config.js'
import { loadSecrets } from './load-secrets.js'

const USE: RecordUse = { issuer: 'host-a', encoding: 'binary' }

let folder: string
const at = (...names: string[]) => join(folder, ...names)
const load = (auth: AuthConfig) => loadSecrets(auth, 'host-a')
const pki = (node: string) => ({
  key: at(node, 'key.pem'),
  cert: at(node, 'cert.pem'),
  ca: at(node, 'ca.pem'),
})
const compact = () => ({
  key: at('compact', 'key.pem'),
  statement: at('compact', 'statement.pem'),
  ca: at('compact', 'ca.pem'),
})

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trireme-auth-'))
  await newCA({ out: at('ca'), name: 'Our CA', days: 30 })
  for (const name of ['host-a', 'host-b']) await newNode({ ca: at('ca'), out: at(name), name, days: 10 })
  await newNode({ ca: at('ca'), out: at('compact'), name: 'host-a', days: 10, compact: true })
  for (const name of ['old', 'new']) await writeFile(at(name), `${name} pre-shared key`, { mode: 0o600 })
})
afterAll(() => rm(folder, { recursive: true }))

describe('what a node sends', () => {
  it.each([
    ['psk', () => ({ psk: { file: at('old') } })],
    ['pki', () => ({ pki: pki('host-a') })],
    [
      'pki-prepopulated',
      () => ({ prepopulated: { ...pki('host-a'), peers: { 'host-b': at('host-b', 'cert.pem') } } }),
    ],
    ['compact-pki', () => ({ compact: compact() })],
    ['null', () => ({ null: { allow: true as const } })],
  ])('is in %s mode', async (mode, auth) => {
    const loaded = await load(auth())
    expect(loaded).toMatchObject({ mode, accepts: [] })
    expect(loaded.secrets.map(each => each.mode)).toEqual([mode])
    expect(loaded.keyID).toBe(loaded.secrets[0].signer(USE).keyID)
  })

  it('knows the certificates that were handed out, each under its host', async () => {
    const keyID = (await loadSecrets({ pki: pki('host-b') }, 'host-b')).keyID
    const verify = (secrets: Secrets) => secrets.verifier({ issuer: 'host-b', encoding: 'binary', keyID })
    const with_ = await load({
      prepopulated: { ...pki('host-a'), peers: { 'host-b': at('host-b', 'cert.pem') } },
    })
    const without = await load({ prepopulated: { ...pki('host-a'), peers: {} } })
    expect(verify(with_.secrets[0])).toMatchObject({ algorithm: 'ES256' })
    expect(verify(without.secrets[0])).toBe('token')
    const mixed = { prepopulated: { ...pki('host-a'), peers: { 'host-c': at('host-b', 'cert.pem') } } }
    await expect(load(mixed)).rejects.toThrow('auth.prepopulated: publicKeyAdd("host-c")')
  })
})

describe('what a node accepts besides', () => {
  it('another pre-shared key: one set of secrets, whose first key signs', async () => {
    const loaded = await load({ psk: { file: at('new') }, accept: [{ psk: { file: at('old') } }] })
    expect(loaded).toMatchObject({ mode: 'psk', accepts: ['psk'] })
    expect(loaded.secrets).toHaveLength(1)
    for (const name of ['old', 'new']) {
      const { keyID } = await load({ psk: { file: at(name) } })
      expect(loaded.secrets[0].verifier({ ...USE, keyID })).toMatchObject({ algorithm: 'HS256' })
      expect(loaded.keyID === keyID).toBe(name === 'new')
    }
  })

  it('other modes, and all pre-shared keys as one of them', async () => {
    const psks = [{ psk: { file: at('old') } }, { psk: { file: at('new') } }]
    const loaded = await load({ pki: pki('host-a'), accept: [...psks, { compact: compact() }] })
    expect(loaded.secrets.map(({ mode }) => mode)).toEqual(['pki', 'psk', 'compact-pki'])
    expect(loaded.accepts).toEqual(['psk', 'psk', 'compact-pki'])
  })
})

describe('is refused', () => {
  it('a certificate of another node', async () => {
    await expect(load({ pki: pki('host-b') })).rejects.toMatchObject({
      code: 'ERR_SECRET',
      message: expect.stringMatching(/^auth\.pki: .*issued to "host-b", and this node is "host-a"$/),
    })
    const accepted = { psk: { file: at('old') }, accept: [{ pki: pki('host-b') }] }
    await expect(load(accepted)).rejects.toThrow('auth.accept[0].pki: ')
  })

  it('a private key that others may read, and never shows it', async () => {
    const key = at('open.pem')
    await writeFile(key, await readFile(at('host-a', 'key.pem')))
    await chmod(key, 0o640)
    await expect(load({ pki: { ...pki('host-a'), key } })).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: `auth.pki.key: ${key}: mode 0640, expected a file for its owner alone: chmod 600 ${key}`,
    })
  })

  it.each([0o664, 0o606])('authorities that others may write (%o): they could be anybody', async mode => {
    const ca = at('open-ca.pem')
    await writeFile(ca, await readFile(at('host-a', 'ca.pem')))
    await chmod(ca, mode)
    const expected = `${ca}: mode 0${mode.toString(8)}, expected a file that its owner alone may write: chmod go-w ${ca}`
    await expect(load({ pki: { ...pki('host-a'), ca } })).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: `auth.pki.ca: ${expected}`,
    })
    const peers = { 'host-b': ca }
    await expect(load({ prepopulated: { ...pki('host-a'), peers } })).rejects.toMatchObject({
      message: `auth.prepopulated.peers.host-b: ${expected}`,
    })
    await chmod(ca, 0o644)
    await expect(load({ pki: { ...pki('host-a'), ca } })).resolves.toMatchObject({ mode: 'pki' })
  })

  it.each([
    ['a file that is not there', { key: 'none.pem' }, /^auth\.pki\.key: .*none\.pem: ENOENT/],
    ['a certificate that is not there', { cert: 'none.pem' }, /none\.pem: ENOENT, expected a readable file/],
    [
      'a key that belongs to another certificate',
      { key: 'compact/key.pem' },
      /^auth\.pki: pki: keyPEM: is not the key/,
    ],
    ['a CA that is none', { ca: 'host-a/cert.pem' }, /^auth\.pki: pki: caCertPEM/],
  ])('%s', async (_, files, expected) => {
    const named = Object.fromEntries(Object.entries(files).map(([name, file]) => [name, at(file)]))
    await expect(load({ pki: { ...pki('host-a'), ...named } })).rejects.toThrow(expected)
  })
})
