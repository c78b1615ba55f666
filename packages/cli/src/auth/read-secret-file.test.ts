import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { isTrustedOwner, readPSK, readTrustFile } from './read-secret-file.js'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trireme-secret-'))
})
afterEach(() => rm(folder, { recursive: true }))

it.each([
  ['root’s, for root', 0, 0, true],
  ['another user’s, for root', 1000, 0, false],
  ['root’s, for a user', 0, 1000, true],
  ['his own, for a user', 1000, 1000, true],
  ['another user’s, for a user', 1001, 1000, false],
])('a file that is %s', (_, owner, own, isTrusted) => {
  expect(isTrustedOwner(owner, own)).toBe(isTrusted)
})

it.runIf(process.geteuid?.() === 0)(
  'names the owner whom nobody trusts, and shows nothing of the file',
  async () => {
    const file = join(folder, 'psk')
    await writeFile(file, 'a pre-shared key of one user', { mode: 0o600 })
    expect(await readPSK(file)).toHaveLength(28)
    await chown(file, 1000, 0)
    const problem = `owned by user 1000, expected a file of root's or of the daemon's user: chown root ${file}`
    for (const reading of [readPSK(file), readTrustFile(file, 'auth.psk.file')]) {
      await expect(reading).rejects.toMatchObject({
        code: 'ERR_CONFIG',
        message: `auth.psk.file: ${file}: ${problem}`,
      })
    }
  },
)
