import { createHash } from 'node:crypto'
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { FileDigests } from './file-digest.js'

let folder: string
let file: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trireme-digest-'))
  file = join(folder, 'program')
  await writeFile(file, 'a program')
})
afterEach(() => rm(folder, { recursive: true }))

it('is SHA-256 of the whole file, anew when it has changed', async () => {
  const digests = new FileDigests()
  const expected = (text: string) => createHash('sha256').update(text).digest('hex')
  expect(await digests.of(file)).toBe(expected('a program'))
  expect(await digests.of(file)).toBe(expected('a program'))
  await writeFile(file, 'another program')
  expect(await digests.of(file)).toBe(expected('another program'))
})

it('is none of a huge sparse file, which would take minutes to read', async () => {
  await truncate(file, 2 ** 40)
  const began = performance.now()
  await expect(new FileDigests().of(file)).rejects.toThrow('1099511627776 bytes, expected at most 268435456')
  expect(performance.now() - began).toBeLessThan(2000)
})

it('is none where it takes too long, and who waited behind it has his own time', async () => {
  await expect(new FileDigests({ maxMs: -1 }).of(file)).rejects.toThrow('takes too long')
  const digests = new FileDigests()
  await truncate(file, 50 * 2 ** 20)
  const other = join(folder, 'other')
  await writeFile(other, 'small')
  const [large, small] = await Promise.all([digests.of(file), digests.of(other)])
  expect([large, small].map(digest => digest.length)).toEqual([64, 64])
})

it('is none of what is no file', async () => {
  await expect(new FileDigests().of(folder)).rejects.toThrow('expected a file')
})
