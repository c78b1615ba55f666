import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Secrets } from '@trireme/core'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { loadConfig } from '../config.js'
import { loadSecrets } from './load-secrets.js'
import { SecretsInUse } from './secrets-in-use.js'

let folder: string
let configFile: string
let updates: (readonly Secrets[])[]
let refusal: Error | undefined
let inUse: SecretsInUse

const writeConfig = (auth: string, rest = '') =>
  writeFile(configFile, `serverID: host-a\nauth: ${auth}\npolicy: policy.yaml\n${rest}`)

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trireme-rotate-'))
  configFile = join(folder, 'config.yaml')
  for (const name of ['old', 'new'])
    await writeFile(join(folder, name), `${name} pre-shared key`, { mode: 0o600 })
  updates = []
  refusal = undefined
  await writeConfig('{ psk: { file: old } }')
  const config = await loadConfig(configFile)
  inUse = new SecretsInUse(await loadSecrets(config.auth, config.serverID), {
    config,
    configFile,
    log: { info() {}, warn() {}, error() {} },
    update: async secrets => {
      if (refusal) throw refusal
      updates.push(secrets)
    },
  })
})
afterEach(() => rm(folder, { recursive: true }))

it('takes what the configuration names now, one change after the other', async () => {
  const before = inUse.current.keyID
  await writeConfig('{ psk: { file: new }, accept: [{ psk: { file: old } }] }')
  const [first, second] = await Promise.all([inUse.rotate(), inUse.rotate()])
  expect(first).toMatchObject({ mode: 'psk', accepts: ['psk'] })
  expect(first.keyID).not.toBe(before)
  expect(inUse.current).toBe(second)
  expect(updates).toHaveLength(2)
})

it('takes a file with another content under the same name', async () => {
  const before = inUse.current.keyID
  await writeFile(join(folder, 'old'), 'another pre-shared key')
  expect((await inUse.rotate()).keyID).not.toBe(before)
})

it('keeps what it has where a file will not do, the enforcer refuses, or more changed', async () => {
  const { current } = inUse
  await writeConfig('{ psk: { file: none } }')
  await expect(inUse.rotate()).rejects.toThrow('ENOENT')
  await writeConfig('{ psk: { file: new } }', 'tokens: jwt\nnetworks: [10.0.0.0/8]\n')
  await expect(inUse.rotate()).rejects.toThrow("tokens, networks changed since the daemon's start")
  expect(updates).toEqual([])
  await writeConfig('{ psk: { file: new } }')
  refusal = new Error('too large')
  await expect(inUse.rotate()).rejects.toBe(refusal)
  expect(inUse.current).toBe(current)
  refusal = undefined
  expect(await inUse.rotate()).not.toBe(current)
})
