/** A daemon whose state file is damaged, or whose disk is read-only: what an earlier daemon left in force stays in force. */
import { mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Daemon } from '../harness/daemon.js'
import { type Host, makeTwoHosts } from '../harness/hosts.js'
import { JSONLinesProcess } from '../harness/json-lines-process.js'
import { WEB_POLICY } from '../harness/pair.js'
import { asPU } from '../harness/processing-unit.js'
import { rulesSnapshot } from '../harness/rules-snapshot.js'
import { mustRun, runCommand } from '../harness/run-command.js'
import { Teardown } from '../harness/teardown.js'

const teardown = new Teardown()
let host: Host
let daemon: Daemon
const stateDir = () => join(daemon.folder, 'state')
const stateFile = () => join(stateDir(), 'daemon.json')

beforeEach(async () => {
  const hosts = teardown.own(await makeTwoHosts())
  host = hosts.a
  daemon = teardown.own(await Daemon.start(host, { policy: WEB_POLICY }))
  const pu = teardown.own(
    new JSONLinesProcess(asPU(daemon, { labels: { app: 'batch' } }, ['sh', '-c', 'echo 1; cat']), daemon.env),
  )
  await pu.next()
})
afterEach(() => teardown.run())

it('a damaged state makes no failed start remove the rules and journals of an earlier daemon', async () => {
  await daemon.crash()
  const whole = await readFile(stateFile())
  const before = { rules: await rulesSnapshot(host.namespace), files: await readdir(stateDir()) }
  await truncate(stateFile(), whole.length >> 1)
  // Were it a first start, it would fail after the rules are its own, and take them down.
  await writeFile(join(daemon.folder, 'none'), '')
  await daemon.writeConfig({ monitors: { linux: { cgroupRoot: join(daemon.folder, 'none') } } })
  const { code, stderr } = await daemon.runToEnd()
  expect({ code, stderr }).toMatchObject({
    code: 3,
    stderr: expect.stringMatching(/daemon\.json: .*expected/),
  })
  expect(await rulesSnapshot(host.namespace)).toBe(before.rules)
  expect(await readdir(stateDir())).toEqual(before.files)
  await daemon.writeConfig()
  await writeFile(stateFile(), whole)
  await daemon.start()
  expect((await daemon.status()).pus).toHaveLength(1)
})

it('a read-only disk keeps no daemon from starting with what it knows, and its starts are counted', async () => {
  await daemon.terminate()
  const { generation } = JSON.parse(await readFile(stateFile(), 'utf8'))
  await mkdir(stateDir(), { recursive: true })
  await mustRun(['mount', '--bind', stateDir(), stateDir()])
  teardown.add(async () => void (await runCommand(['umount', '--lazy', stateDir()])))
  await mustRun(['mount', '-o', 'remount,bind,ro', stateDir()])
  for (const start of [1, 2]) {
    await daemon.start()
    const status = (await daemon.status()) as Awaited<ReturnType<Daemon['status']>> & {
      readonly problems: readonly string[]
    }
    expect(status.pus).toHaveLength(1)
    expect(status.problems.join('\n')).toMatch(/its disk takes nothing.*EROFS/)
    await daemon.crash()
    const spare = JSON.parse(await readFile(`${daemon.socket}.daemon.json`, 'utf8'))
    expect(spare.generation).toBe(generation + start)
  }
  await mustRun(['umount', stateDir()])
  await daemon.start()
  expect(JSON.parse(await readFile(stateFile(), 'utf8')).generation).toBe(generation + 3)
  await daemon.terminate()
})
