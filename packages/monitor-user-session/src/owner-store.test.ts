import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { OwnerStore } from './owner-store.js'

const USERS = [
  { uid: 1000, name: 'alice', contextID: 'abcdef012345', tags: [{ key: 'user', value: 'alice' }] },
]
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'owner-store-'))
})
afterEach(() => rm(folder, { recursive: true }))

it('brings back what was written, and nobody where nothing was', async () => {
  const store = new OwnerStore(folder)
  expect(await store.read()).toEqual([])
  await store.write(USERS)
  expect(await new OwnerStore(folder).read()).toEqual(USERS)
})

it('takes a file that is cut off at any byte for no empty list, and leaves it', async () => {
  const store = new OwnerStore(folder)
  await store.write(USERS)
  const file = join(folder, 'users.json')
  const whole = (await readFile(file, 'utf8')).trimEnd()
  for (let length = 0; length < whole.length; length++) {
    await writeFile(file, whole.slice(0, length))
    await expect(store.read(), `${length} bytes`).rejects.toThrow(
      /users\.json: damaged: expected a list of users/,
    )
    expect(await readFile(file, 'utf8')).toBe(whole.slice(0, length))
  }
})
