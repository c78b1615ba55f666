/** The policy is read again while connections come about. */
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { askDaemon } from '../../packages/cli/src/control/control-client.js'
import type { ReloadReport } from '../../packages/cli/src/reload.js'
import { program } from '../harness/checkout.js'
import { Daemon } from '../harness/daemon.js'
import { eventually } from '../harness/eventually.js'
import { type Host, makeHost } from '../harness/hosts.js'
import { JSONLinesProcess } from '../harness/json-lines-process.js'
import { BATCH, FRONTEND, WEB, WEB_POLICY } from '../harness/pair.js'
import { asPU, connectAsPU, startServer } from '../harness/processing-unit.js'
import type { Session } from '../harness/session.js'
import { Teardown } from '../harness/teardown.js'

const TARGET = { address: '127.0.0.1', port: 7000 }
const RELOADS = 200

const [rule] = WEB_POLICY.rules
const rules = (name: string) => ({ ...WEB_POLICY, rules: [{ ...rule, name }] })
const OPEN = { ...WEB_POLICY, rules: [{ ...rule, name: 'web-from-batch', from: { app: 'batch' } }] }
const BAD = 'default: deny\nrules:\n  - name: web-from-frontend\n    action: alow\n'

const teardown = new Teardown()
let host: Host
let daemon: Daemon
let live: Session

async function start(config: Readonly<Record<string, unknown>> = {}): Promise<void> {
  daemon = teardown.own(await Daemon.start(host, { policy: rules('web-from-frontend'), config }))
  teardown.own(await startServer(daemon, WEB))
  live = teardown.own(await connectAsPU(daemon, FRONTEND, TARGET))
  expect(live.outcome).toMatchObject({ connected: true })
}

const mayBatch = async () => {
  const session = await connectAsPU(daemon, BATCH, TARGET)
  await session.stop()
  return session.outcome.connected
}
const policyInForce = async () =>
  ((await daemon.status()) as unknown as { policy: { digest: string } }).policy.digest

/** What came of `trireme reload`, without a process for it. */
const reload = async () =>
  (await askDaemon({ socket: daemon.socket, method: 'POST', path: '/v1/reload' })) as ReloadReport

beforeEach(async () => {
  host = teardown.own(await makeHost())
})
afterEach(() => teardown.run())

describe('trireme reload', () => {
  it(`loses no connection and lets no unauthorized client in, over ${RELOADS} reloads`, async () => {
    await start()
    const attempts = program('attempts', TARGET.address, String(TARGET.port))
    const attackers = [asPU(daemon, BATCH, attempts), host.namespace.inside(attempts)].map(argv =>
      teardown.own(new JSONLinesProcess(argv, daemon.env)),
    )
    for (const attacker of attackers) await attacker.next()
    for (let count = 0; count < RELOADS; count++) {
      const name = `web-from-frontend-${count % 2}`
      await daemon.writePolicy(rules(name))
      const { policy } = await reload()
      if ('error' in policy) throw new Error(policy.error)
      // Those whose rules have another name now: the attacker has none.
      expect(policy.pus).toHaveLength(2)
      if (count % 20 === 0) expect(await live.exchange(1000)).toMatchObject({ equal: true })
    }
    expect(await live.exchange(100_000)).toMatchObject({ equal: true })
    for (const attacker of attackers) {
      await attacker.stop()
      const { attempts, successes } = (await attacker.next()) as { attempts: number; successes: number }
      expect(successes).toBe(0)
      expect(attempts).toBeGreaterThan(10)
    }
    expect(await daemon.flowLike(({ rule }) => rule === 'web-from-frontend')).toBeDefined()
  }, 900_000)

  it('changes nothing where the policy is bad, and says file, line and key', async () => {
    await start()
    const before = await policyInForce()
    await writeFile(daemon.policyFile, BAD)
    const { code, stderr } = await daemon.command('reload')
    expect(code).toBe(2)
    expect(stderr).toMatch(/policy\.yaml:4: rules\[0\]\.action: "alow", expected allow or deny/)
    expect(await policyInForce()).toBe(before)
    expect((await daemon.command('status')).stdout).toContain('policy.yaml:4')
    expect(await mayBatch()).toBe(false)
    expect(await live.exchange(1000)).toMatchObject({ equal: true })
    await daemon.writePolicy(rules('web-from-frontend'))
    expect(await daemon.command('reload')).toMatchObject({ code: 0 })
    expect((await daemon.command('status')).stdout).not.toContain('policy.yaml:4')
  })

  it('says what would change, and changes nothing, with --check', async () => {
    await start()
    await daemon.writePolicy(OPEN)
    const { code, stdout } = await daemon.command('reload', '--check')
    expect(code).toBe(0)
    expect(stdout).toMatch(/would be in force: .*another one for 2 PUs/)
    expect(await mayBatch()).toBe(false)
    await writeFile(daemon.policyFile, BAD)
    expect(await daemon.command('reload', '--check')).toMatchObject({ code: 2 })
    expect(await live.exchange(1000)).toMatchObject({ equal: true })
  })

  it('ends what the policy no longer allows, and lets in what it allows now', async () => {
    await start()
    await daemon.writePolicy(OPEN)
    expect(await daemon.command('reload')).toMatchObject({ code: 0 })
    expect(await mayBatch()).toBe(true)
    await expect(live.exchange(1000)).rejects.toThrow()
  })
})

describe('SIGHUP', () => {
  it('reads secrets and policy again, and reports each', async () => {
    await start()
    await daemon.writePolicy(OPEN)
    process.kill(daemon.pid, 'SIGHUP')
    await eventually('batch may', mayBatch)
    await eventually(
      'both are reported',
      () => /secrets in force/.test(daemon.logs) && /policy in force/.test(daemon.logs),
    )
    await writeFile(daemon.policyFile, BAD)
    await rm(join(daemon.folder, 'psk'))
    process.kill(daemon.pid, 'SIGHUP')
    await eventually('the policy is refused', () =>
      /the policy stay as they were: .*policy\.yaml:4/.test(daemon.logs),
    )
    expect(daemon.logs).toMatch(/the secrets stay as they were: .*psk/)
    expect(await mayBatch()).toBe(true)
  })
})

describe('watch', () => {
  it('takes a policy that is renamed over the file, and leaves one alone that will not do', async () => {
    await start({ watch: true })
    const next = join(daemon.folder, 'next')
    await writeFile(next, BAD)
    await rename(next, daemon.policyFile)
    await eventually('the bad one is refused', () => /policy\.yaml:4/.test(daemon.logs))
    expect(await live.exchange(1000)).toMatchObject({ equal: true })
    await writeFile(next, JSON.stringify(OPEN))
    await rename(next, daemon.policyFile)
    await eventually('batch may', mayBatch)
  })

  it('takes a policy behind a symbolic link that is swapped', async () => {
    daemon = teardown.own(await Daemon.prepare(host, { policy: WEB_POLICY, config: { watch: true } }))
    const at = (name: string) => join(daemon.folder, name)
    for (const [name, policy] of [['one', WEB_POLICY] as const, ['two', OPEN] as const]) {
      await mkdir(at(name))
      await writeFile(join(at(name), 'policy.yaml'), JSON.stringify(policy))
    }
    await symlink('one', at('data'))
    await rm(daemon.policyFile)
    await symlink('data/policy.yaml', daemon.policyFile)
    await daemon.start()
    teardown.own(await startServer(daemon, WEB))
    expect(await mayBatch()).toBe(false)
    await symlink('two', at('next'))
    await rename(at('next'), at('data'))
    await eventually('batch may', mayBatch)
  })
})
