/** Network namespaces whose containers have ended, and in which others live on: nobody there is without rules. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../harness/eventually.js'
import { JSONLinesProcess } from '../harness/json-lines-process.js'
import { NetworkNamespace } from '../harness/network-namespace.js'
import { mustRun } from '../harness/run-command.js'
import { Teardown } from '../harness/teardown.js'
import { uniqueName } from '../harness/unique-name.js'
import { DockerEngine } from './docker-engine.js'
import { Protection } from './protection.js'

const POLICY = { default: 'deny', rules: [] }
const SERVER_ID = uniqueName('outlived')
const IDLE = ['sleep', '600']

const teardown = new Teardown()
let engine: DockerEngine
let protection: Protection

beforeAll(async () => {
  const namespace = teardown.own(await NetworkNamespace.make('outlived'))
  engine = teardown.own(await DockerEngine.start(namespace))
  protection = teardown.own(await Protection.start(engine, { serverID: SERVER_ID, policy: POLICY }))
})
afterAll(() => teardown.run())

/** A container with its network, and another in the same. */
async function pair(): Promise<{
  readonly first: string
  readonly guest: string
  readonly guestPid: number
}> {
  const first = await engine.run([], ...IDLE)
  await protection.until(first, 'start')
  const guest = await engine.run(['--network', `container:${first}`], ...IDLE)
  return { first, guest, guestPid: await engine.pidOf(guest) }
}

/** Whether the namespace of that process has jumps to our chains in all that enters and leaves, in both families. */
async function hasRules(pid: number): Promise<boolean> {
  const saves = ['iptables-nft-save', 'ip6tables-nft-save'].map(save =>
    mustRun(['nsenter', `--net=/proc/${pid}/ns/net`, '--', save, '-t', 'mangle']),
  )
  const jumps = (await Promise.all(saves)).map(saved => saved.match(/^-A (INPUT|OUTPUT) -j TRI-/gm)?.length)
  return jumps.every(count => count === 2)
}

describe('a container in the network of another', () => {
  it('stays under rules when the other is restarted, which is enforced in its new network', async () => {
    const { first, guest, guestPid } = await pair()
    await engine.mustDocker('restart', '-t', '0', first)
    await eventually('the new life is enforced', () =>
      protection.pus.some(
        ({ contextID, event }) => contextID === `${first.slice(0, 12)}-2` && event === 'start',
      ),
    )
    expect(await hasRules(await engine.pidOf(first))).toBe(true)
    expect(await hasRules(guestPid)).toBe(true)
    await engine.mustDocker('rm', '-f', guest)
    await protection.until(first, 'destroy')
    expect(await hasRules(await engine.pidOf(first))).toBe(true)
  })

  it('stays under rules when the other is removed', async () => {
    const { first, guest, guestPid } = await pair()
    await engine.mustDocker('rm', '-f', first)
    // Events of the engine come in order: with this one that of the removal was taken.
    await protection.until(await engine.run([], ...IDLE), 'start')
    expect(await hasRules(guestPid)).toBe(true)
    await engine.mustDocker('rm', '-f', guest)
    await protection.until(first, 'destroy')
  })

  it('is enforced by a daemon that comes when the other is gone', async () => {
    await protection.stop()
    const first = await engine.run([], ...IDLE)
    const guest = await engine.run(['--network', `container:${first}`], ...IDLE)
    const guestPid = await engine.pidOf(guest)
    await engine.mustDocker('restart', '-t', '0', first)
    expect(await hasRules(guestPid)).toBe(false)
    const options = { serverID: SERVER_ID, policy: POLICY, generation: 1 }
    protection = teardown.own(await Protection.start(engine, options))
    expect(await hasRules(guestPid)).toBe(true)
    expect(await hasRules(await engine.pidOf(first))).toBe(true)
    expect(await protection.list()).toContainEqual(expect.objectContaining({ containerID: guest }))
  })
})

it('a process that somebody put into the network of a container stays under rules when that has ended', async () => {
  const id = await engine.run([], ...IDLE)
  await protection.until(id, 'start')
  const namespace = `--net=/proc/${await engine.pidOf(id)}/ns/net`
  const visitor = new JSONLinesProcess(['nsenter', namespace, '--', 'sh', '-c', 'echo $$; exec sleep 600'])
  teardown.own(visitor)
  const pid = Number(await visitor.next())
  await engine.mustDocker('rm', '-f', id)
  await protection.until(await engine.run([], ...IDLE), 'start')
  expect(await hasRules(pid)).toBe(true)
  expect(
    protection.pus.filter(({ contextID, event }) => id.startsWith(contextID) && event === 'stop'),
  ).toEqual([])
  await visitor.stop()
  await protection.until(id, 'destroy')
})
