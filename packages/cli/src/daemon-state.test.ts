import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { assertUnused, claimState, readState, removeState, type StatePlaces } from './daemon-state.js'

let folder: string
let places: StatePlaces

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trireme-state-'))
  places = { stateDir: join(folder, 'a', 'state'), socket: join(folder, 't.sock') }
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const file = () => join(places.stateDir, 'daemon.json')
const spare = () => `${places.socket}.daemon.json`

/** As if the daemon that wrote it had ended, and another process had its number. */
async function endDaemon(path = file()): Promise<void> {
  const state = JSON.parse(await readFile(path, 'utf8'))
  await writeFile(path, JSON.stringify({ ...state, startTime: '1' }))
}

describe('the state directory', () => {
  it('counts starts, for its owner alone', async () => {
    expect(await claimState(places)).toMatchObject({ state: { generation: 1 }, isFirst: true })
    await endDaemon()
    expect(await claimState(places)).toMatchObject({
      state: { generation: 2, pid: process.pid },
      isFirst: false,
    })
    expect((await stat(places.stateDir)).mode & 0o777).toBe(0o700)
    expect((await stat(file())).mode & 0o777).toBe(0o600)
    expect(await readdir(places.stateDir)).toEqual(['daemon.json'])
  })

  it('belongs to one daemon at a time', async () => {
    await claimState(places)
    await expect(claimState(places)).rejects.toThrow(/process ID \d+ uses it/)
    await expect(assertUnused(places.stateDir, await readState(places))).rejects.toMatchObject({
      exitStatus: 3,
    })
  })

  it('reads what the first versions wrote', async () => {
    await claimState(places)
    const { version: _, ...state } = JSON.parse(await readFile(file(), 'utf8'))
    await writeFile(file(), JSON.stringify({ ...state, startTime: '1', generation: 7 }))
    expect(await claimState(places)).toMatchObject({ state: { generation: 8 }, isFirst: false })
  })

  it('says what is wrong where it cannot be made', async () => {
    await writeFile(join(folder, 'a'), '')
    await expect(claimState(places)).rejects.toMatchObject({
      exitStatus: 3,
      message: /daemon.json.*expected/,
    })
  })

  it('is removed, but for what others put there', async () => {
    await claimState(places)
    await writeFile(join(places.stateDir, 'notes'), '')
    await removeState(places)
    expect(await readdir(places.stateDir)).toEqual(['notes'])
    await rm(join(places.stateDir, 'notes'))
    await removeState(places)
    await removeState(places)
    expect(await readdir(join(folder, 'a'))).toEqual([])
  })
})

describe('a state that is damaged is not a first start, and stays as it is', () => {
  const refused = { exitStatus: 3, message: expect.stringMatching(/daemon\.json: .*expected the state/) }

  it('cut off at any byte', async () => {
    await claimState(places)
    await endDaemon()
    const whole = await readFile(file())
    for (let length = 0; length < whole.length; length++) {
      await writeFile(file(), whole)
      await truncate(file(), length)
      await expect(claimState(places), `${length} bytes`).rejects.toMatchObject(refused)
      expect((await stat(file())).size).toBe(length)
    }
  })

  it.each([
    ['of another program', '{"name":"other"}'],
    [
      'of a later version',
      '{"version":2,"generation":1,"pid":1,"startTime":"1","networkNamespace":"net:[1]"}',
    ],
    ['with a number that is none', '{"generation":-1,"pid":1,"startTime":"1","networkNamespace":"net:[1]"}'],
    ['of zeros, as after a power failure', '\0'.repeat(120)],
  ])('%s', async (_, text) => {
    await claimState(places)
    await writeFile(file(), text)
    await expect(claimState(places)).rejects.toMatchObject(refused)
    await expect(readState(places)).rejects.toMatchObject(refused)
    expect(await readFile(file(), 'utf8')).toBe(text)
  })

  it('that cannot be read', async () => {
    await mkdir(file(), { recursive: true })
    await expect(claimState(places)).rejects.toMatchObject(refused)
  })

  it('and none at all beside what an earlier daemon left', async () => {
    await claimState(places)
    await rm(file())
    await writeFile(join(places.stateDir, 'live-flows-own.jsonl'), '')
    expect(await claimState(places)).toMatchObject({ isFirst: false })
  })

  it('beside the socket', async () => {
    await writeFile(spare(), '{')
    await expect(claimState(places)).rejects.toMatchObject(refused)
  })
})

describe('a state that lies beside the socket, since the disk did not take it', () => {
  const keptThere = async (generation: number) => {
    await claimState(places)
    await endDaemon()
    const state = JSON.parse(await readFile(file(), 'utf8'))
    await writeFile(spare(), JSON.stringify({ ...state, generation }))
  }

  it('counts on, and goes when the disk takes it again', async () => {
    await keptThere(5)
    expect(await claimState(places)).toMatchObject({ state: { generation: 6 }, isFirst: false })
    expect(await readdir(folder)).toEqual(['a'])
  })

  it('goes with the rest', async () => {
    await keptThere(5)
    await removeState(places)
    expect(await readdir(folder)).toEqual(['a'])
  })
})
