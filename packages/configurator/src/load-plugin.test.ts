import { describe, expect, it } from 'vitest'
import { loadPlugin, loadPlugins } from './load-plugin.js'

const missing = (name: string) =>
  Object.assign(new Error(`Cannot find package '${name}' imported from /app/index.js`), {
    code: 'ERR_MODULE_NOT_FOUND',
  })

describe('loadPlugin', () => {
  it('gives what was loaded', async () => {
    expect(await loadPlugin('a', async () => 1)).toBe(1)
  })

  it('names the package to install', async () => {
    const load = () => Promise.reject(missing('@trireme/tokens-jwt'))
    await expect(loadPlugin('@trireme/tokens-jwt', load)).rejects.toMatchObject({
      code: 'ERR_PEER_DEPENDENCY',
      message: expect.stringContaining('npm install @trireme/tokens-jwt'),
    })
  })

  it.each([missing('jose'), new Error('a defect of the plugin')])(
    'passes on other errors: %s',
    async error => {
      await expect(loadPlugin('@trireme/tokens-jwt', () => Promise.reject(error))).rejects.toBe(error)
    },
  )
})

describe('loadPlugins', () => {
  const plugin = (name: string, error?: Error) => ({
    name,
    load: () => loadPlugin(name, () => (error ? Promise.reject(error) : Promise.resolve(1))),
  })
  const [docker, jwt] = ['@trireme/monitor-docker', '@trireme/tokens-jwt'] as const

  it('names all that are missing at once, and how to install them', async () => {
    const plugins = [
      plugin(docker, missing(docker)),
      plugin('@trireme/enforcer-nfq'),
      plugin(jwt, missing(jwt)),
    ]
    await expect(loadPlugins(plugins)).rejects.toMatchObject({
      code: 'ERR_PEER_DEPENDENCY',
      message: `this preset needs ${docker}, ${jwt}: install them (npm install ${docker} ${jwt})`,
    })
  })

  it('passes on a defect where nothing is missing', async () => {
    const defect = new Error('a defect of the plugin')
    await expect(loadPlugins([plugin(docker), plugin(jwt, defect)])).rejects.toBe(defect)
    await expect(loadPlugins([plugin(docker, defect), plugin(jwt, missing(jwt))])).rejects.toThrow(jwt)
    await expect(loadPlugins([plugin(docker)])).resolves.toBeUndefined()
  })
})
