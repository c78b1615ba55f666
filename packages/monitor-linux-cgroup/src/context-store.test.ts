import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ContextStore, type StoredContext } from './context-store.js'

let folder: string

beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'trireme-store-')), 'pus')
})
afterEach(() => rm(join(folder, '..'), { recursive: true, force: true }))

const CONTEXT: StoredContext = {
  contextID: 'abcdef012345',
  runtime: {
    kind: 'linux-process',
    name: 'web',
    pid: 42,
    tags: [{ key: 'app', value: 'wéb' }],
    ports: [{ first: 80, last: 81 }],
    closedPorts: [{ first: 81, last: 81 }],
    aliases: ['203.0.113.7'],
    isolation: { by: 'cgroup-path', path: 'trireme-a/abcdef012345' },
  },
  portPlan: { declared: [{ first: 80, last: 80 }], discover: true },
  owner: 1000,
  borrowed: '/system.slice/web.service',
  origin: '/user.slice',
}

describe('ContextStore', () => {
  it('brings back what was written, and only that', async () => {
    const store = new ContextStore(folder)
    expect(await store.open()).toEqual({ contexts: [], unreadable: [] })
    const other: StoredContext = {
      contextID: 'zzzzzzzzzzzz',
      runtime: { ...CONTEXT.runtime, isolation: { by: 'net-cls', classID: 0x10002 } },
      portPlan: { declared: [], discover: false },
      owner: 0,
      origin: '',
    }
    await store.write(CONTEXT)
    await store.write(other)
    expect((await new ContextStore(folder).open()).contexts).toEqual([CONTEXT, other])
    await store.remove(other.contextID)
    await store.remove(other.contextID)
    expect((await store.open()).contexts).toEqual([CONTEXT])
  })

  it('lets only its owner read', async () => {
    const store = new ContextStore(folder)
    await store.open()
    await store.write(CONTEXT)
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
    expect((await stat(join(folder, `${CONTEXT.contextID}.json`))).mode & 0o777).toBe(0o600)
  })

  it('replaces a context as a whole, and leaves no drafts', async () => {
    const store = new ContextStore(folder)
    await store.open()
    const writes = Array.from({ length: 20 }, (_, pid) =>
      store.write({ ...CONTEXT, runtime: { ...CONTEXT.runtime, pid } }),
    )
    await Promise.all(writes)
    expect(await readdir(folder)).toEqual([`${CONTEXT.contextID}.json`])
    expect((await store.open()).contexts).toHaveLength(1)
  })

  it('forgets what a crash left half written', async () => {
    const store = new ContextStore(folder)
    await store.open()
    await writeFile(join(folder, `${CONTEXT.contextID}.json.0123456789ab.tmp`), '{"version":1,"con')
    expect(await store.open()).toEqual({ contexts: [], unreadable: [] })
    expect(await readdir(folder)).toEqual([])
  })

  it.each([
    ['cut off', '{"version":1,"contextID":"abcdef0123'],
    ['of a later version', '{"version":2}'],
    ['of another context', JSON.stringify({ version: 1, ...CONTEXT, contextID: 'ffffffffffff' })],
    ['without a kind', JSON.stringify({ version: 1, ...CONTEXT, runtime: {} })],
    ['of something else', '[]'],
  ])('sets aside a file %s', async (_, text) => {
    const store = new ContextStore(folder)
    await store.open()
    await writeFile(join(folder, `${CONTEXT.contextID}.json`), text)
    const { contexts, unreadable } = await store.open()
    expect(contexts).toEqual([])
    expect(unreadable).toMatchObject([{ contextID: CONTEXT.contextID }])
    expect(await readFile(join(folder, `${CONTEXT.contextID}.unreadable`), 'utf8')).toBe(text)
    expect((await store.open()).unreadable).toEqual([])
  })

  it('fails where it cannot write, and leaves the earlier file', async () => {
    const store = new ContextStore(folder)
    await store.open()
    await store.write(CONTEXT)
    const broken = {
      ...CONTEXT,
      origin: {
        toJSON: () => {
          throw new Error('broken')
        },
      } as never,
    }
    await expect(store.write(broken)).rejects.toThrow('broken')
    expect(await readdir(folder)).toEqual([`${CONTEXT.contextID}.json`])
    expect((await store.open()).contexts).toEqual([CONTEXT])
  })
})
