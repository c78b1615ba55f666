/**
 * Many short-lived `trireme run` commands at a time. CI runs a share; TRIREME_RUNS=500 runs the whole:
 * `TRIREME_RUNS=500 npx vitest run --project timed kernel-tests/processes/short-lived.test.ts`.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { afterEach, expect, it } from 'vitest'
import { Daemon } from '../harness/daemon.js'
import { eventually } from '../harness/eventually.js'
import { makeHost } from '../harness/hosts.js'
import { WEB_POLICY } from '../harness/pair.js'
import { rulesSnapshot } from '../harness/rules-snapshot.js'
import { Teardown } from '../harness/teardown.js'
import { cgroupsIn } from '../monitor/hierarchies.js'
import { cgroup2Folder } from './cgroup2-folder.js'
import { runShortLived, shortLivedFigures } from './short-lived.js'

const RUNS = Number(process.env['TRIREME_RUNS'] ?? 60)
const LANES = 20

const teardown = new Teardown()
afterEach(() => teardown.run())

it(`${RUNS} commands, ${LANES} at a time: every status is right, and nothing is left`, {
  timeout: 900_000,
}, async () => {
  const host = teardown.own(await makeHost())
  const daemon = teardown.own(await Daemon.start(host, { policy: WEB_POLICY }))
  const before = await rulesSnapshot(host.namespace)
  const alone = await runShortLived(daemon, 10, 1)
  const runs = await runShortLived(daemon, RUNS, LANES)
  console.log(shortLivedFigures(alone, 1))
  console.log(shortLivedFigures(runs, LANES))
  expect(runs.filter(({ code, expected }) => code !== expected)).toEqual([])
  await eventually('no PU is left', async () => (await daemon.status()).pus.length === 0, {
    timeoutMs: 60_000,
  })
  const folder = join(await cgroup2Folder(), `trireme-${daemon.serverID}`)
  await eventually('no cgroup is left', async () => (await cgroupsIn(folder)).length === 0)
  expect(await readdir(join(daemon.folder, 'state', 'pus'))).toEqual([])
  expect(await rulesSnapshot(host.namespace)).toBe(before)
  expect(((await daemon.status()) as unknown as { problems: unknown }).problems).toEqual([])
})
