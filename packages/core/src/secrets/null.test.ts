import { expect, it } from 'vitest'
import { nullSecrets } from './null.js'
import { pskSecrets } from './psk.js'

const USE = { issuer: 'host-a', encoding: 'binary' }

it('nullSecrets must be allowed by that very word', () => {
  const refused = expect.objectContaining({ code: 'ERR_SECRET' })
  for (const options of [undefined, {}, { allow: false }, { allow: 1 }, { allow: 'true' }]) {
    expect(() => nullSecrets(options as unknown as { allow: true })).toThrow(refused)
  }
})

it('nullSecrets sign nothing, verify anything of their own kind, and nothing of another', () => {
  const secrets = nullSecrets({ allow: true })
  expect(secrets.mode).toBe('null')
  const signer = secrets.signer(USE)
  expect(signer).toEqual({ algorithm: 'none', keyID: '0000000000000000' })
  expect(secrets.verifier({ ...USE, keyID: signer.keyID })).toMatchObject({ algorithm: 'none' })
  const psk = pskSecrets({ key: Buffer.from('at least sixteen bytes') })
  expect(secrets.verifier({ ...USE, keyID: psk.signer(USE).keyID })).toBe('token')
  expect(psk.verifier({ ...USE, keyID: signer.keyID })).toBe('token')
  expect(secrets.verifier({ ...USE, keyID: signer.keyID, credential: Uint8Array.of(1) })).toBe('token')
  expect(secrets.sessionSecret(signer.keyID)).toBeUndefined()
})
