import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { TRIREME } from '../harness/checkout.js'
import { Daemon } from '../harness/daemon.js'
import { eventually } from '../harness/eventually.js'
import { makeHost } from '../harness/hosts.js'
import { FRONTEND, WEB, WEB_POLICY } from '../harness/pair.js'
import { asPU, runAsPU, startServer } from '../harness/processing-unit.js'
import { rulesSnapshot } from '../harness/rules-snapshot.js'
import { mustRun, runCommand } from '../harness/run-command.js'
import { Teardown } from '../harness/teardown.js'

const teardown = new Teardown()
afterEach(() => teardown.run())

const startDaemon = async () => {
  const host = teardown.own(await makeHost())
  return teardown.own(await Daemon.start(host, { policy: WEB_POLICY }))
}

describe('trireme run', () => {
  it("ends with the command's status and passes its streams", async () => {
    const daemon = await startDaemon()
    const command = ['sh', '-c', 'echo out; echo err >&2; exit 7']
    expect(await runAsPU(daemon, FRONTEND, command)).toMatchObject({
      code: 7,
      stdout: 'out\n',
      stderr: 'err\n',
    })
  })

  it('ends with 125 and runs nothing where there is no daemon', async () => {
    const daemon = await startDaemon()
    await daemon.terminate()
    const ran = join(daemon.folder, 'ran')
    const outcome = await runAsPU(daemon, FRONTEND, ['touch', ran])
    expect(outcome.code).toBe(125)
    expect(outcome.stderr).toContain(daemon.socket)
    await expect(access(ran)).rejects.toThrow()
  })

  it("ends with 125 and runs nothing in another network namespace than the daemon's", async () => {
    const daemon = await startDaemon()
    const ran = join(daemon.folder, 'ran')
    const command = asPU(daemon, FRONTEND, ['touch', ran])
    const outcome = await runCommand(command.slice(command.indexOf(TRIREME)))
    expect(outcome.code).toBe(125)
    expect(outcome.stderr).toMatch(/namespace/)
    await expect(access(ran)).rejects.toThrow()
  })

  it('works under `ip netns exec`, which hides the cgroups', async () => {
    const daemon = await startDaemon()
    const command = asPU(daemon, FRONTEND, ['true'])
    const fromTrireme = command.slice(command.indexOf(TRIREME))
    await mustRun(['ip', 'netns', 'exec', daemon.host.namespace.name, ...fromTrireme])
  })
})

describe('trireme status', () => {
  it('shows the PUs while they run', async () => {
    const daemon = await startDaemon()
    const web = await startServer(daemon, WEB)
    const status = await daemon.status()
    expect(status).toMatchObject({ serverID: daemon.serverID, tokens: 'binary', mode: 'psk' })
    expect(status.pus).toHaveLength(1)
    expect(status.pus[0]).toMatchObject({
      kind: 'linux-process',
      tags: expect.arrayContaining(['app=web']),
    })
    await web.stop()
    await eventually('the PU is gone', async () => (await daemon.status()).pus.length === 0)
  })

  it('fails where there is no daemon', async () => {
    const daemon = await startDaemon()
    await daemon.terminate()
    expect((await daemon.command('status')).code).not.toBe(0)
  })
})

describe('trireme uninstall', () => {
  it('takes away every rule', async () => {
    const host = teardown.own(await makeHost())
    const before = await rulesSnapshot(host.namespace)
    const daemon = teardown.own(await Daemon.start(host, { policy: WEB_POLICY }))
    const web = await startServer(daemon, WEB)
    expect(await rulesSnapshot(host.namespace)).not.toBe(before)
    await web.stop()
    expect(await daemon.command('uninstall')).toMatchObject({ code: 0 })
    expect(await rulesSnapshot(host.namespace)).toBe(before)
  })
})
