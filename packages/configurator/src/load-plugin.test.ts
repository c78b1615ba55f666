import { describe, expect, it } from 'vitest'
import { loadPlugin } from './load-plugin.js'

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
