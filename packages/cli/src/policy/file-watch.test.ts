import { appendFile, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { FileWatch } from './file-watch.js'

let folder: string
let watch: FileWatch
let changes: number

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trireme-watch-'))
  changes = 0
})
afterEach(async () => {
  watch.close()
  await rm(folder, { recursive: true })
})

/** Watches a file and waits for the first look. */
async function watchFile(name: string): Promise<void> {
  const onChange = async () => {
    changes++
  }
  watch = new FileWatch({ path: () => join(folder, name), onChange, pollMs: 10 })
  await seen(1)
}

const seen = (count: number) => vi.waitFor(() => expect(changes).toBe(count), { timeout: 5_000, interval: 5 })

it('sees a file that is written, renamed over, removed and put back', async () => {
  const file = join(folder, 'policy.yaml')
  await writeFile(file, 'a')
  await watchFile('policy.yaml')
  await writeFile(file, 'b')
  await seen(2)
  await writeFile(join(folder, 'new'), 'c')
  await rename(join(folder, 'new'), file)
  await seen(3)
  await rm(file)
  await seen(4)
  await writeFile(file, 'c')
  await seen(5)
})

it('sees a symbolic link on the way that is swapped, as a mounted configuration is', async () => {
  for (const version of ['one', 'two']) {
    await mkdir(join(folder, version))
    await writeFile(join(folder, version, 'policy.yaml'), version)
  }
  await symlink('one', join(folder, 'data'))
  await symlink('data/policy.yaml', join(folder, 'policy.yaml'))
  await watchFile('policy.yaml')
  await symlink('two', join(folder, 'next'))
  await rename(join(folder, 'next'), join(folder, 'data'))
  await seen(2)
})

it('does not take a file for whole while it is being written', async () => {
  const file = join(folder, 'policy.yaml')
  await writeFile(file, '')
  await watchFile('policy.yaml')
  // Each write comes before the file has been left alone for two looks.
  watch.close()
  const onChange = async () => {
    changes++
  }
  watch = new FileWatch({ path: () => file, onChange, pollMs: 100 })
  await seen(2)
  for (let part = 0; part < 30; part++) {
    await appendFile(file, `part ${part}\n`)
    await new Promise(resolve => setTimeout(resolve, 20))
    expect(changes).toBe(2)
  }
  await seen(3)
})
