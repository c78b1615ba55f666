/** What the user got wrong ends the daemon with 2, what the machine lacks with 3; either says what and leaves nothing behind. */
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Daemon } from '../harness/daemon.js'
import { type Host, makeHost } from '../harness/hosts.js'
import { WEB_POLICY } from '../harness/pair.js'
import { rulesSnapshot } from '../harness/rules-snapshot.js'
import type { CommandOutcome } from '../harness/run-command.js'
import { Teardown } from '../harness/teardown.js'

const teardown = new Teardown()
let host: Host

beforeEach(async () => {
  host = teardown.own(await makeHost())
})
afterEach(() => teardown.run())

const prepare = async (policy: unknown = WEB_POLICY) => teardown.own(await Daemon.prepare(host, { policy }))

interface BadConfig {
  readonly what: string
  readonly config: Readonly<Record<string, unknown>>
  /** What the message has to name. */
  readonly says: readonly RegExp[]
}

const BAD_CONFIGS: readonly BadConfig[] = [
  { what: 'an unknown key', config: { sevrerID: 'x' }, says: [/trireme\.yaml/, /sevrerID/] },
  { what: 'no server ID', config: { serverID: undefined }, says: [/trireme\.yaml/, /serverID/] },
  { what: 'no secret', config: { auth: undefined }, says: [/trireme\.yaml/, /auth/] },
  { what: 'no policy', config: { policy: undefined }, says: [/trireme\.yaml/, /policy/] },
  {
    what: 'a bad CIDR',
    config: { networks: ['10.0.0.0/33'] },
    says: [/trireme\.yaml/, /networks/, /10\.0\.0\.0\/33/],
  },
  {
    what: 'an unknown encoding',
    config: { tokens: 'morse' },
    says: [/trireme\.yaml/, /tokens/, /morse/, /binary/],
  },
  { what: 'an unknown monitor', config: { monitors: { windows: {} } }, says: [/trireme\.yaml/, /windows/] },
  { what: 'a policy that is not there', config: { policy: './none.yaml' }, says: [/none\.yaml/] },
]

const rule = WEB_POLICY.rules[0]!
const BAD_POLICIES = [
  { what: 'a bad port', rule: { ...rule, ports: [70_000] }, says: [/policy\.yaml/, /ports/, /70000/] },
  {
    what: 'an unknown operator',
    rule: { ...rule, from: { app: { matches: 'x' } } },
    says: [/policy\.yaml/, /matches/],
  },
  { what: 'an unknown action', rule: { ...rule, action: 'alow' }, says: [/policy\.yaml/, /action/, /alow/] },
  { what: 'an unknown key', rule: { ...rule, form: {} }, says: [/policy\.yaml/, /form/] },
]

describe('exit 2: the caller erred', () => {
  it.each(BAD_CONFIGS)('$what in the configuration', async ({ config, says }) => {
    const daemon = await prepare()
    await daemon.writeConfig(config)
    expectRefusal(await daemon.runToEnd(), 2, says)
    expect(await rulesSnapshot(host.namespace)).not.toMatch(/-A /)
  })

  it.each(BAD_POLICIES)('$what in the policy', async ({ rule, says }) => {
    const daemon = await prepare({ default: 'deny', rules: [rule] })
    expectRefusal(await daemon.runToEnd(), 2, says)
    expect(await rulesSnapshot(host.namespace)).not.toMatch(/-A /)
  })

  it.each([
    { what: 'empty', psk: '' },
    { what: 'of a newline alone', psk: '\n' },
    { what: 'of 15 bytes', psk: '123456789012345\n' },
  ])('a PSK that is $what', async ({ psk }) => {
    const daemon = await prepare()
    await writeFile(join(daemon.folder, 'psk'), psk, { mode: 0o600 })
    expectRefusal(await daemon.runToEnd(), 2, [/psk/, /16/])
  })

  it('a PSK file that others may read', async () => {
    const daemon = await prepare()
    await chmod(join(daemon.folder, 'psk'), 0o644)
    expectRefusal(await daemon.runToEnd(), 2, [/psk/, /0?644/])
  })
})

describe('exit 3: the machine refuses', () => {
  it('not root', async () => {
    const daemon = await prepare()
    expectRefusal(await daemon.runToEnd(['unshare', '--user']), 3, [/root/])
  })

  it('no iptables', async () => {
    const daemon = await prepare()
    const programs = join(daemon.folder, 'programs')
    await mkdir(programs)
    await symlink(process.execPath, join(programs, 'node'))
    for (const name of ['env', 'sh', 'bash', 'dirname', 'readlink'])
      await symlink(`/usr/bin/${name}`, join(programs, name))
    const outcome = await daemon.runToEnd(['/usr/bin/env', `PATH=${programs}`], process.env)
    expectRefusal(outcome, 3, [/iptables/, /install/])
  })

  it('a second daemon on the same socket, and the first goes on', async () => {
    const first = teardown.own(await Daemon.start(host, { policy: WEB_POLICY }))
    const second = await prepare()
    await second.writeConfig({ socket: first.socket })
    expectRefusal(await second.runToEnd(), 3, [/socket/])
    expect(await first.status()).toMatchObject({ serverID: first.serverID })
  })
})

function expectRefusal({ code, stderr }: CommandOutcome, expected: number, says: readonly RegExp[]): void {
  expect({ code, stderr }).toMatchObject({ code: expected })
  for (const word of says) expect(stderr).toMatch(word)
  expect(stderr).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m)
}
