import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterEach, expect, it } from 'vitest'
import type { DockerConfig } from './docker-config.js'
import { dockerOptions } from './docker-options.js'

const config: DockerConfig = {
  ...{ enforcement: 'remote', syncAtStart: true, killContainerOnError: false },
  ...{ hostNetwork: true, extractor: 'labels' },
}
const before = process.env['DOCKER_HOST']

afterEach(() => {
  if (before === undefined) delete process.env['DOCKER_HOST']
  else process.env['DOCKER_HOST'] = before
})

it('takes the engine of the configuration, else that of DOCKER_HOST, else the default', async () => {
  process.env['DOCKER_HOST'] = 'tcp://127.0.0.1:2375'
  expect(await dockerOptions(config)).toMatchObject({ engine: 'tcp://127.0.0.1:2375' })
  const named = { ...config, engine: 'unix:///run/other.sock' }
  expect(await dockerOptions(named)).toMatchObject({ engine: 'unix:///run/other.sock' })
  delete process.env['DOCKER_HOST']
  expect(await dockerOptions(config)).not.toHaveProperty('engine')
})

it('reads credentials, and names the one that it cannot read', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trireme-docker-'))
  try {
    const path = (name: string) => join(folder, name)
    for (const name of ['ca', 'cert']) await writeFile(path(name), name)
    const tls = { ca: path('ca'), cert: path('cert'), key: path('key') }
    await expect(dockerOptions({ ...config, tls })).rejects.toThrow(/monitors\.docker\.tls\.key: ENOENT/)
    await writeFile(path('key'), 'key')
    expect((await dockerOptions({ ...config, tls })).tls).toEqual({ ca: 'ca', cert: 'cert', key: 'key' })
  } finally {
    await rm(folder, { recursive: true })
  }
})

it.each(['labels', 'swarm', 'kubernetes', { command: ['/bin/true'] }] as const)(
  'makes the extractor %j',
  async extractor => {
    expect((await dockerOptions({ ...config, extractor })).extractor).toBeTypeOf('function')
  },
)

it('hands the filter of labels to the extractor', async () => {
  const { extractor } = await dockerOptions({ ...config, labels: { include: ['app'] } })
  const container = {
    Id: 'a',
    Name: '/shop',
    Config: { Image: 'x', Labels: { app: 'web', other: 'y' } },
    HostConfig: {},
  }
  const pu = await extractor!(container as never, { onRefusedLabel: () => {} })
  expect(pu?.tags.filter(({ key }) => !key.startsWith('@'))).toEqual([{ key: 'app', value: 'web' }])
})
