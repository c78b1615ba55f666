import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { assertUnused, claimState, readState, removeState } from './daemon-state.js'

let folder: string
let stateDir: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trireme-state-'))
  stateDir = join(folder, 'a', 'state')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** As if the daemon that wrote it had ended, and another process had its number. */
async function endDaemon(): Promise<void> {
  const state = (await readState(stateDir))!
  await writeFile(join(stateDir, 'daemon.json'), JSON.stringify({ ...state, startTime: '1' }))
}

describe('the state directory', () => {
  it('counts starts, for its owner alone', async () => {
    expect((await claimState(stateDir)).generation).toBe(1)
    await endDaemon()
    expect(await claimState(stateDir)).toMatchObject({ generation: 2, pid: process.pid })
    expect((await stat(stateDir)).mode & 0o777).toBe(0o700)
    expect((await stat(join(stateDir, 'daemon.json'))).mode & 0o777).toBe(0o600)
    expect(await readdir(stateDir)).toEqual(['daemon.json'])
  })

  it('belongs to one daemon at a time', async () => {
    await claimState(stateDir)
    await expect(claimState(stateDir)).rejects.toThrow(/process ID \d+ uses it/)
    await expect(assertUnused(stateDir, await readState(stateDir))).rejects.toMatchObject({ exitStatus: 3 })
  })

  it('starts anew where the file is damaged', async () => {
    await claimState(stateDir)
    await writeFile(join(stateDir, 'daemon.json'), '{"generation": -1')
    expect((await claimState(stateDir)).generation).toBe(1)
  })

  it('says what is wrong where it cannot be made', async () => {
    await writeFile(join(folder, 'a'), '')
    await expect(claimState(stateDir)).rejects.toMatchObject({
      exitStatus: 3,
      message: /stateDir .*expected/,
    })
  })

  it('is removed, but for what others put there', async () => {
    await claimState(stateDir)
    await writeFile(join(stateDir, 'notes'), '')
    await removeState(stateDir)
    expect(await readdir(stateDir)).toEqual(['notes'])
    await rm(join(stateDir, 'notes'))
    await removeState(stateDir)
    await removeState(stateDir)
    expect(await readdir(join(folder, 'a'))).toEqual([])
  })
})
