import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { engineFromEnvironment } from './engine-from-environment.js'

const HOST = 'tcp://127.0.0.1:2376'

it.each([
  [{}, {}],
  [{ DOCKER_HOST: '' }, {}],
  [{ DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: '/nowhere' }, {}],
  [{ DOCKER_HOST: HOST, DOCKER_TLS_VERIFY: '' }, { engine: HOST }],
  [{ DOCKER_HOST: 'unix:///run/x.sock', DOCKER_TLS_VERIFY: '1' }, { engine: 'unix:///run/x.sock' }],
])('reads from %j the options %j', async (environment, expected) => {
  expect(await engineFromEnvironment(environment)).toEqual(expected)
})

it('reads credentials, and names the variable where they are missing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trireme-engine-'))
  const environment = { DOCKER_HOST: HOST, DOCKER_TLS_VERIFY: '1' }
  try {
    await expect(engineFromEnvironment(environment)).rejects.toThrow(/expected .* DOCKER_CERT_PATH/)
    for (const name of ['ca', 'cert']) await writeFile(join(folder, `${name}.pem`), name)
    const complete = { ...environment, DOCKER_CERT_PATH: folder }
    await expect(engineFromEnvironment(complete)).rejects.toThrow(/DOCKER_CERT_PATH: ENOENT.*key\.pem/)
    await writeFile(join(folder, 'key.pem'), 'key')
    const tls = { ca: 'ca', cert: 'cert', key: 'key' }
    expect(await engineFromEnvironment(complete)).toEqual({ engine: HOST, tls })
  } finally {
    await rm(folder, { recursive: true })
  }
})
