import { hkdfSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { RecordVerifier } from '../plugin.js'
import { pskSecrets } from './psk.js'

const KEY = Buffer.from('correct horse battery staple')
const OTHER = Buffer.from('another key of sufficient length')
const USE = { issuer: 'host-a', encoding: 'binary' }

const bytesOf = (holder: { readonly key?: RecordVerifier['key'] }) => holder.key!.export().toString('hex')

describe('pskSecrets', () => {
  it('derives what its docstring says, checked against the HKDF of node:crypto', () => {
    const secrets = pskSecrets({ key: KEY })
    const derive = (info: string, length: number) =>
      Buffer.from(hkdfSync('sha256', KEY, 'trireme/1 psk', info, length))
    const signer = secrets.signer(USE)
    expect(signer.keyID).toBe(derive('trireme/1 key id', 8).toString('hex'))
    expect(bytesOf(signer)).toBe(derive('trireme/1 record\0binary\0host-a', 32).toString('hex'))
    expect(Buffer.from(secrets.sessionSecret(signer.keyID)!)).toEqual(derive('trireme/1 session', 32))
  })

  it('signs and verifies with one key per issuer and encoding', () => {
    const secrets = pskSecrets({ key: KEY })
    const signer = secrets.signer(USE)
    const verifier = secrets.verifier({ ...USE, keyID: signer.keyID })
    expect(signer.algorithm).toBe('HS256')
    expect(signer.credential).toBeUndefined()
    expect(verifier).toMatchObject({ algorithm: 'HS256', notAfter: Number.MAX_SAFE_INTEGER })
    expect(bytesOf(verifier as RecordVerifier)).toBe(bytesOf(signer))
    const keys = [
      signer,
      secrets.signer({ ...USE, issuer: 'host-b' }),
      secrets.signer({ ...USE, encoding: 'jwt' }),
      pskSecrets({ key: OTHER }).signer(USE),
    ]
    expect(new Set(keys.map(bytesOf)).size).toBe(keys.length)
  })

  it('refuses with "token" an unknown key ID, a credential and an endless issuer', () => {
    const secrets = pskSecrets({ key: KEY })
    const { keyID } = secrets.signer(USE)
    expect(secrets.verifier({ ...USE, keyID: '0000000000000000' })).toBe('token')
    expect(secrets.verifier({ ...USE, keyID: keyID.toUpperCase() })).toBe('token')
    expect(secrets.verifier({ ...USE, keyID: '' })).toBe('token')
    expect(secrets.verifier({ ...USE, keyID, credential: new Uint8Array(0) })).toBe('token')
    expect(secrets.verifier({ ...USE, keyID, issuer: 'a'.repeat(256) })).toBe('token')
    expect(secrets.sessionSecret('0000000000000000')).toBeUndefined()
  })

  it('keeps its answers right when more issuers ask than it remembers', () => {
    const secrets = pskSecrets({ key: KEY })
    const before = bytesOf(secrets.signer(USE))
    for (let i = 0; i < 3000; i++) secrets.signer({ ...USE, issuer: `host-${i}` })
    expect(bytesOf(secrets.signer(USE))).toBe(before)
  })

  it('copies the key', () => {
    const key = Buffer.from(KEY)
    const secrets = pskSecrets({ key })
    key.fill(0)
    expect(bytesOf(secrets.signer(USE))).toBe(bytesOf(pskSecrets({ key: KEY }).signer(USE)))
  })

  it('hands out a session secret that cannot be spoilt', () => {
    const secrets = pskSecrets({ key: KEY })
    const { keyID } = secrets.signer(USE)
    secrets.sessionSecret(keyID)!.fill(0)
    expect(secrets.sessionSecret(keyID)).toEqual(pskSecrets({ key: KEY }).sessionSecret(keyID))
  })
})

describe('keys of pskSecrets', () => {
  const idOf = (key: Uint8Array) => pskSecrets({ key }).signer(USE).keyID

  it('signs with the first and verifies with all', () => {
    const secrets = pskSecrets({ keys: [OTHER, KEY] })
    expect(secrets.signer(USE).keyID).toBe(idOf(OTHER))
    expect(secrets.verifier({ ...USE, keyID: idOf(KEY) })).toMatchObject({ algorithm: 'HS256' })
    expect(secrets.verifier({ ...USE, keyID: idOf(OTHER) })).toMatchObject({ algorithm: 'HS256' })
    expect(secrets.sessionSecret(idOf(KEY))).not.toEqual(secrets.sessionSecret(idOf(OTHER)))
  })

  it('replaces them, tells the listeners, and refuses what was dropped', () => {
    const secrets = pskSecrets({ key: KEY })
    let calls = 0
    const listener = () => calls++
    const stop = secrets.onChange(listener)
    secrets.onChange(listener)
    secrets.replaceKeys([OTHER])
    expect(calls).toBe(2)
    expect(secrets.signer(USE).keyID).toBe(idOf(OTHER))
    expect(secrets.verifier({ ...USE, keyID: idOf(KEY) })).toBe('token')
    expect(secrets.sessionSecret(idOf(KEY))).toBeUndefined()
    stop()
    secrets.replaceKeys([KEY])
    expect(calls).toBe(3)
  })

  it('tells every listener, also when one throws', () => {
    const secrets = pskSecrets({ key: KEY })
    let calls = 0
    secrets.onChange(() => {
      throw new Error('first')
    })
    secrets.onChange(() => calls++)
    expect(() => secrets.replaceKeys([OTHER])).toThrow('first')
    expect(calls).toBe(1)
    secrets.onChange(() => {
      throw new Error('second')
    })
    expect(() => secrets.replaceKeys([KEY])).toThrow(AggregateError)
  })

  it('refuses a short key or none, without showing it and without changing anything', () => {
    const short = Buffer.from('fifteen bytes!!')
    const refused = { name: 'TriremeError', code: 'ERR_SECRET' }
    expect(() => pskSecrets({ key: short })).toThrow(expect.objectContaining(refused))
    expect(() => pskSecrets({ key: short })).toThrow('psk: key 1 has 15 bytes, expected at least 16')
    expect(() => pskSecrets({ keys: [] })).toThrow(expect.objectContaining(refused))
    expect(() => pskSecrets({ key: 'a string long enough' as unknown as Uint8Array })).toThrow(
      expect.objectContaining(refused),
    )
    const secrets = pskSecrets({ key: KEY })
    expect(() => secrets.replaceKeys([OTHER, short])).toThrow('key 2 has 15 bytes')
    expect(() => secrets.replaceKeys([])).toThrow('expected at least one')
    expect(secrets.signer(USE).keyID).toBe(idOf(KEY))
    expect(() => pskSecrets({ key: KEY.subarray(0, 16) })).not.toThrow()
  })
})
