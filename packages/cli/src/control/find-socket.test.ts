import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { findSocket } from './find-socket.js'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trireme-find-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

it('takes the one given, or the only one there is', async () => {
  expect(await findSocket('/x/y.sock', 3, folder)).toBe('/x/y.sock')
  await writeFile(join(folder, 'host-a.sock'), '')
  await writeFile(join(folder, 'notes.txt'), '')
  expect(await findSocket(undefined, 3, folder)).toBe(join(folder, 'host-a.sock'))
})

it('asks for a name where there are none or several', async () => {
  await expect(findSocket(undefined, 125, join(folder, 'none'))).rejects.toMatchObject({
    exitStatus: 125,
    message: expect.stringContaining('--socket'),
  })
  await writeFile(join(folder, 'a.sock'), '')
  await writeFile(join(folder, 'b.sock'), '')
  await expect(findSocket(undefined, 3, folder)).rejects.toMatchObject({
    exitStatus: 3,
    message: expect.stringMatching(/--socket .*[ab]\.sock or .*[ab]\.sock/),
  })
})
