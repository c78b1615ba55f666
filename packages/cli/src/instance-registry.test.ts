import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import {
  forgetOwnInstance,
  isAlive,
  listInstances,
  liveNeighbours,
  registerInstance,
} from './instance-registry.js'

const OWN = { serverID: 'host-a', stateDir: '/var/lib/trireme/host-a', socket: '/run/trireme/host-a.sock' }

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'instances-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

it('a daemon is known until it is forgotten, and is no neighbour of itself', async () => {
  await registerInstance(OWN, folder)
  const [instance] = await listInstances(folder)
  expect(instance).toMatchObject({ ...OWN, pid: process.pid })
  expect(await isAlive(instance!)).toBe(true)
  expect(await liveNeighbours(folder)).toEqual([])
  await forgetOwnInstance('host-a', folder)
  expect(await listInstances(folder)).toEqual([])
})

it('a process of another start time is another process', async () => {
  await registerInstance(OWN, folder)
  const [instance] = await listInstances(folder)
  expect(await isAlive({ ...instance!, startTime: '1' })).toBe(false)
})

it('no folder holds no instances, and a damaged file none', async () => {
  expect(await listInstances(join(folder, 'none'))).toEqual([])
  await writeFile(join(folder, 'x.json'), '{"serverID":')
  expect(await listInstances(folder)).toEqual([])
})
