import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { loadSecrets } from './auth/load-secrets.js'
import { SecretsInUse } from './auth/secrets-in-use.js'
import { loadConfig } from './config.js'
import { loadPolicy, PolicyInForce } from './policy/policy-in-force.js'
import { Problems } from './problems.js'
import { Reloader } from './reload.js'

const POLICY = 'rules: [{ name: a, to: { app: web }, from: { app: b }, action: allow }]\n'

let folder: string
let reloader: Reloader
let policy: PolicyInForce
let problems: Problems
let logged: string[]
let refreshes: number

const write = (name: string, text: string) => writeFile(join(folder, name), text, { mode: 0o600 })

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trireme-reload-'))
  await write('psk', 'a pre-shared key')
  await write('policy.yaml', POLICY)
  const configFile = join(folder, 'trireme.yaml')
  await write('trireme.yaml', 'serverID: host-a\nauth: { psk: { file: psk } }\npolicy: policy.yaml\n')
  const config = await loadConfig(configFile)
  logged = []
  refreshes = 0
  const line = (text: string) => void logged.push(text)
  const log = { info: line, warn: line, error: line }
  problems = new Problems(log)
  policy = new PolicyInForce(await loadPolicy(config))
  const secrets = await loadSecrets(config.auth, config.serverID)
  const auth = new SecretsInUse(secrets, { config, configFile, log, update: async () => {} })
  const trireme = {
    puInfos: () => [],
    refreshPolicies: async () => {
      refreshes++
      return ['abc']
    },
  }
  reloader = new Reloader({ config, configFile, log, problems, auth, policy, trireme })
})
afterEach(() => rm(folder, { recursive: true }))

it('puts in force what the files say now', async () => {
  const { digest } = policy.current
  await write('policy.yaml', 'rules: []\n')
  const { policy: changed, secrets } = await reloader.reload()
  expect(changed).toMatchObject({ rules: 0, pus: ['abc'] })
  expect(secrets).toMatchObject({ mode: 'psk' })
  expect(policy.current.digest).not.toBe(digest)
})

it('follows the configuration to another policy file', async () => {
  await write('other.yaml', POLICY)
  await write('trireme.yaml', 'serverID: host-a\nauth: { psk: { file: psk } }\npolicy: other.yaml\n')
  expect(await reloader.reload()).toMatchObject({ policy: { file: join(folder, 'other.yaml') } })
})

it('keeps a part that will not do, says why until it will do, and changes the other', async () => {
  const { current } = policy
  await write('policy.yaml', 'rules: 5\n')
  const { secrets, policy: refused } = await reloader.reload()
  expect(secrets).toMatchObject({ mode: 'psk' })
  expect(refused).toEqual({ error: expect.stringMatching(/policy\.yaml:1: rules: "5"/) })
  expect(policy.current).toBe(current)
  expect(refreshes).toBe(0)
  expect(problems.list()).toEqual([expect.stringContaining('policy.yaml:1')])
  await reloader.reloadPolicy()
  expect(problems.list()).toHaveLength(1)
  await write('policy.yaml', POLICY)
  await reloader.reloadPolicy()
  expect(problems.list()).toEqual([])
})

it('checks and changes nothing', async () => {
  const { current } = policy
  await write('policy.yaml', 'rules: []\n')
  expect(await reloader.check()).toMatchObject({ policy: { rules: 0, pus: [] }, secrets: { mode: 'psk' } })
  await rm(join(folder, 'psk'))
  expect(await reloader.check()).toMatchObject({ secrets: { error: expect.stringContaining('psk') } })
  expect([policy.current, refreshes, problems.list(), logged]).toEqual([current, 0, [], []])
})
