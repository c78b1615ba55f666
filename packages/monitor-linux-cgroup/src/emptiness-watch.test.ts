import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { EmptinessWatch } from './emptiness-watch.js'

let folder: string
let empty: Set<string>
let ended: string[]
let errors: unknown[]
let watch: EmptinessWatch

const start = (pollMs: number, isEmpty = async (id: string) => empty.has(id)) =>
  new EmptinessWatch({
    isEmpty,
    onEmpty: contextID => ended.push(contextID),
    onError: (_, error) => errors.push(error),
    pollMs,
  })

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trireme-watch-'))
  empty = new Set()
  ended = []
  errors = []
})
afterEach(async () => {
  watch.close()
  await rm(folder, { recursive: true, force: true })
})

describe('EmptinessWatch', () => {
  it('looks when the file changes, long before the next poll', async () => {
    watch = start(3_600_000)
    const file = join(folder, 'cgroup.events')
    await writeFile(file, 'populated 1\n')
    watch.add('a', file)
    empty.add('a')
    await writeFile(file, 'populated 0\n')
    await vi.waitFor(() => expect(ended).toEqual(['a']))
  })

  it('sees a PU that ended before it was added', async () => {
    watch = start(3_600_000)
    empty.add('a')
    watch.add('a', undefined)
    await vi.waitFor(() => expect(ended).toEqual(['a']))
  })

  it('polls where there is no file, tells once, and leaves the others alone', async () => {
    watch = start(5)
    watch.add('a', undefined)
    watch.add('b', undefined)
    empty.add('a')
    await vi.waitFor(() => expect(ended).toEqual(['a']))
    empty.add('b')
    await vi.waitFor(() => expect(ended).toEqual(['a', 'b']))
  })

  it('polls where the file cannot be watched, and says so', async () => {
    watch = start(5)
    watch.add('a', join(folder, 'missing'))
    empty.add('a')
    await vi.waitFor(() => expect(ended).toEqual(['a']))
    expect(errors).toHaveLength(1)
  })

  it('goes on after an error', async () => {
    let calls = 0
    watch = start(5, async () => {
      if (++calls === 1) throw new Error('once')
      return true
    })
    watch.add('a', undefined)
    await vi.waitFor(() => expect(ended).toEqual(['a']))
    expect(errors.map(String)).toEqual(['Error: once'])
  })

  it('tells nothing once it is closed', async () => {
    let release = (_: boolean) => {}
    watch = start(3_600_000, () => new Promise(resolve => (release = resolve)))
    watch.add('a', undefined)
    watch.close()
    release(true)
    await Promise.resolve()
    expect(ended).toEqual([])
  })
})
