import { expect, it } from 'vitest'
import { RequestProcessors } from './request-processors.js'

const REQUEST = { event: 'start', type: 'vm', tags: [], ports: [], options: {} } as const
const processors = new RequestProcessors({ vm: { handleRequest: async () => ({ contextID: 'x' }) } })
const own = process.getuid!()

it('lets a user name his own processes, and no others', async () => {
  expect(await processors.handleRequest({ ...REQUEST, pid: process.pid }, { uid: own })).toEqual({
    contextID: 'x',
  })
  const stranger = { uid: own + 1 }
  for (const pid of [process.pid, 1, 4_000_000]) {
    await expect(processors.handleRequest({ ...REQUEST, pid }, stranger)).rejects.toMatchObject({
      code: 'ERR_NOT_PERMITTED',
    })
  }
})

it('lets root name any', async () => {
  expect(await processors.handleRequest({ ...REQUEST, pid: 1 }, { uid: 0 })).toEqual({ contextID: 'x' })
})

it('knows no types but its own', async () => {
  await expect(processors.handleRequest({ ...REQUEST, type: 'toString' }, { uid: 0 })).rejects.toMatchObject({
    code: 'ERR_UNSUPPORTED_KIND',
  })
})
