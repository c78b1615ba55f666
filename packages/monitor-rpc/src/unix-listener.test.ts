import { link, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { listenOnUnixSocket } from './unix-listener.js'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trireme-listener-'))
})
afterEach(() => rm(folder, { recursive: true }))

describe('a socket that a killed process left', () => {
  it('is replaced, and packages behind symbolic links are found afterwards as before', async () => {
    const path = join(folder, 'control.sock')
    await leaveSocket(path)
    const { resolve } = createRequire(import.meta.url)
    const linked = await linkedFiles(['first.cjs', 'second.cjs'])
    expect(resolve(linked('first.cjs'))).toBe(join(folder, 'real', 'first.cjs'))
    const listener = await listenOnUnixSocket(createServer(), { path })
    expect(resolve(linked('second.cjs'))).toBe(join(folder, 'real', 'second.cjs'))
    await listener.close()
  })
})

/** Closing a server removes the name that it was given, not a hard link to its socket. */
async function leaveSocket(path: string): Promise<void> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(`${path}.original`, resolve))
  await link(`${path}.original`, path)
  await new Promise(resolve => server.close(resolve))
}

/** Files in a folder, and how they are named by a symbolic link to it. */
async function linkedFiles(names: readonly string[]): Promise<(name: string) => string> {
  await mkdir(join(folder, 'real'))
  for (const name of names) await writeFile(join(folder, 'real', name), '')
  await symlink('real', join(folder, 'link'))
  return name => join(folder, 'link', name)
}
