import { readdir } from 'node:fs/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { eventually } from '../harness/eventually.js'
import { NetworkNamespace } from '../harness/network-namespace.js'
import { rulesSnapshot } from '../harness/rules-snapshot.js'
import { Teardown } from '../harness/teardown.js'
import { DockerEngine } from './docker-engine.js'
import { Protection, type Resources } from './protection.js'

const MANY = 100
const AT_ONCE = 20
const MEGABYTE = 1024 * 1024
const POLICY = { default: 'deny', rules: [] }

const teardown = new Teardown()
let engine: DockerEngine
let protection: Protection
let rulesBefore: string

beforeAll(async () => {
  const namespace = teardown.own(await NetworkNamespace.make('scale'))
  engine = teardown.own(await DockerEngine.start(namespace))
  rulesBefore = await rulesSnapshot(namespace)
  protection = teardown.own(await Protection.start(engine, { policy: POLICY }))
})
afterAll(() => teardown.run(), 180_000)

it('enforces one after another, and 20 at once, without a rule on the host or a process of its own', async () => {
  const { children } = await protection.resources()
  const alone: number[] = []
  for (let i = 0; i < AT_ONCE; i++) {
    const id = await engine.run([], 'sleep', '600')
    alone.push(await latency(id))
  }
  const together = await Promise.all(
    Array.from({ length: AT_ONCE }, async () => latency(await engine.run([], 'sleep', '600'))),
  )
  console.log(`ms from start to enforced: alone ${shown(alone)}; ${AT_ONCE} at once ${shown(together)}`)
  expect(await protection.list()).toHaveLength(2 * AT_ONCE)
  expect(await rulesSnapshot(engine.namespace)).toBe(rulesBefore)
  expect((await protection.resources()).children).toBe(children)
  await removeAll()
  expect(protection.problems).toEqual([])
}, 180_000)

// After the one above, so that code and heap are warm when memory is looked at.
it('starts and removes 100 containers, the engine starting anew in the middle', async () => {
  await settled()
  const before = await protection.resources()
  const ids = await startMany(MANY / 2)
  await engine.end()
  await engine.begin()
  await settled()
  ids.push(...(await startMany(MANY / 2)))
  const running = ids.slice(MANY / 2)
  for (const id of running) await protection.until(id, 'start')
  expect((await protection.list()).map(({ containerID }) => containerID).sort()).toEqual([...running].sort())
  const full = await protection.resources()
  expect(full.children).toBe(before.children)
  console.log(
    `RSS per enforced container: ${Math.round((full.rss - before.rss) / running.length / 1024)} KiB`,
  )
  await removeAll()
  for (const id of ids) await protection.until(id, 'destroy')
  await settled()
  const after = await protection.resources()
  expect(after.namespaces).toBe(0)
  // A few idle connections to the engine stay open.
  expect(after.files).toBeLessThanOrEqual(before.files + 4)
  expect(after.children).toBe(before.children)
  expect((after.rss - before.rss) / MEGABYTE).toBeLessThan(20)
  expect(await rulesSnapshot(engine.namespace)).toBe(rulesBefore)
  expect(await readdir(`/sys/fs/cgroup/unified/${engine.cgroup}`).then(onlyFolders)).toEqual([])
  expect(protection.problems.filter(({ kind }) => !kind.startsWith('engine-'))).toEqual([])
}, 400_000)

/** Ten at a time: the engine itself takes no more. */
async function startMany(count: number): Promise<string[]> {
  const ids: string[] = []
  while (ids.length < count) {
    const batch = Array.from({ length: Math.min(10, count - ids.length) }, () =>
      engine.run([], 'sleep', '600'),
    )
    ids.push(...(await Promise.all(batch)))
  }
  return ids
}

async function removeAll(): Promise<void> {
  const ids = (await engine.mustDocker('ps', '-aq')).split('\n').filter(Boolean)
  if (ids.length > 0) await engine.mustDocker('rm', '-f', ...ids)
}

async function settled(): Promise<Resources> {
  return eventually(
    'nothing is enforced',
    async () => {
      const { length } = await protection.list()
      return length === 0 ? protection.resources() : undefined
    },
    { timeoutMs: 60_000 },
  )
}

/** Milliseconds from the engine's word that the container has started until it is enforced. */
async function latency(id: string): Promise<number> {
  const record = await protection.until(id, 'start')
  return Date.parse(record.time) - Date.parse(await engine.inspect(id, '{{.State.StartedAt}}'))
}

function shown(values: readonly number[]): string {
  const sorted = [...values].sort((x, y) => x - y)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
  return `p50 ${at(0.5)} p99 ${at(0.99)}`
}

function onlyFolders(names: readonly string[]): readonly string[] {
  return names.filter(name => /^[0-9a-f]{64}$/.test(name))
}
