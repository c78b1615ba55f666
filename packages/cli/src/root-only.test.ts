import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { assertRootOnly } from './root-only.js'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'root-only-'))
})
afterEach(() => rm(folder, { recursive: true }))

describe('a program that root is to run', () => {
  it('may be one of the system’s', async () => {
    await expect(assertRootOnly('shell', '/bin/sh')).resolves.toBeUndefined()
  })

  it('may not be writable by others', async () => {
    const file = join(folder, 'program')
    await writeFile(file, '')
    await chmod(file, 0o757)
    await expect(assertRootOnly('hook', file)).rejects.toThrow(/^hook .*program has .*expected root as owner/)
  })

  it('may not lie in a folder in which others may replace it, by a link either', async () => {
    const open = join(folder, 'open')
    await mkdir(open)
    await writeFile(join(open, 'program'), '', { mode: 0o755 })
    await chmod(open, 0o777)
    await symlink(join(open, 'program'), join(folder, 'link'))
    await expect(assertRootOnly('hook', join(folder, 'link'))).rejects.toThrow(/link: .* has owner/)
  })
})
