import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { askDaemon } from '../../packages/cli/src/control/control-client.js'
import { program, TRIREME } from '../harness/checkout.js'
import type { Daemon } from '../harness/daemon.js'
import { JSONLinesProcess } from '../harness/json-lines-process.js'
import { FRONTEND, WEB } from '../harness/pair.js'
import { asPU, runAsPU, startServer } from '../harness/processing-unit.js'
import { Teardown } from '../harness/teardown.js'
import { type Auth, issueNodeKeys, pkiAuth, prepareTwoDaemons, type TwoDaemons } from './two-daemons.js'

const RATE = 300
const { TRIREME_SOAK } = process.env
const SECONDS = TRIREME_SOAK === '1' ? 60 : 20
/** JWTs are signed and verified by promises: packets wait meanwhile. */
const TOKENS = TRIREME_SOAK === '1' ? ['binary', 'jwt'] : ['binary']
/** Between two phases, also where the machine is behind: dropping a key ends the handshakes that began under it. */
const MIN_PAUSE_MS = 1500
const OLD_KEY_ATTEMPTS = 1000
const STEADY = join(dirname(fileURLToPath(import.meta.url)), 'steady-connects.mjs')

const psk = (file: string): { readonly psk: Auth } => ({ psk: { file } })

/** A change, in the three phases in which every node goes along before the next begins. */
const threePhases = (before: Auth, after: Auth): readonly Auth[] => [
  { ...before, accept: [after] },
  { ...after, accept: [before] },
  after,
]
const caPhases = (before: string, after: string): readonly Auth[] => [
  pkiAuth(before, 'both.pem'),
  pkiAuth(after, 'both.pem'),
  pkiAuth(after),
]

interface Result {
  readonly attempts: number
  readonly seconds: number
  readonly failures: Readonly<Record<string, number>>
  readonly slowestMs: number
  readonly late: number
}

describe.each(TOKENS)('secrets that are rotated under load, tokens %s', tokens => {
  const teardown = new Teardown()
  let daemons: TwoDaemons

  beforeAll(async () => {
    daemons = await prepareTwoDaemons(teardown)
    for (const name of ['ca1', 'ca2', 'ca3']) await issueNodeKeys(daemons, name)
    for (const daemon of [daemons.server, daemons.client]) {
      for (const name of ['psk1', 'psk2']) await writeSecret(daemon, name, `the ${name} of both nodes`)
      await daemon.writeConfig({ auth: psk('psk1'), tokens })
      await daemon.start()
    }
    teardown.own(await startServer(daemons.server, WEB))
  }, 120_000)
  afterAll(() => teardown.run())

  const address = () => daemons.server.host.addresses.IPv4

  /** Every node goes along before this resolves. By the command's own request: the command is slow to start. */
  const rotateBoth = async (auth: Auth) => {
    for (const daemon of [daemons.server, daemons.client]) {
      await daemon.writeConfig({ auth, tokens })
      await askDaemon({ socket: daemon.socket, method: 'POST', path: '/v1/secrets', timeoutMs: 60_000 })
    }
  }

  const trustBoth = async (before: string, after: string) => {
    for (const daemon of [daemons.server, daemons.client]) {
      const files = [before, after].map(name => readFile(join(daemon.folder, name, 'ca.pem'), 'utf8'))
      await writeFile(join(daemon.folder, 'both.pem'), (await Promise.all(files)).join(''))
    }
  }

  it(`0 failures of ${RATE} connects/s for ${SECONDS} s: PSK to PSK, PSK to PKI, and the CA twice`, async () => {
    const argv = [process.execPath, STEADY, address(), '7000', String(RATE), '15000']
    const load = teardown.own(new JSONLinesProcess(asPU(daemons.client, FRONTEND, argv), daemons.client.env))
    expect(await load.next()).toBe('started')
    const began = performance.now()
    const changes: readonly (readonly Auth[])[] = [
      threePhases(psk('psk1'), psk('psk2')),
      threePhases(psk('psk2'), pkiAuth('ca1')),
      caPhases('ca1', 'ca2'),
      caPhases('ca2', 'ca3'),
    ]
    const phases = changes.flat()
    for (const [index, phase] of phases.entries()) {
      if (index === 6) await trustBoth('ca1', 'ca2')
      if (index === 9) await trustBoth('ca2', 'ca3')
      await rotateBoth(phase)
      const dueMs = began + ((index + 1) / phases.length) * SECONDS * 1000
      await sleep(Math.max(MIN_PAUSE_MS, dueMs - performance.now()))
    }
    load.send('stop')
    const result = (await load.next(60_000)) as Result
    console.log(
      `rotation, ${tokens}: ${JSON.stringify({ ...result, rate: Math.round(result.attempts / result.seconds) })}`,
    )
    expect(result.failures).toEqual({})
    expect(result.attempts).toBeGreaterThan(0)
    expect(await daemons.client.status()).toMatchObject({ mode: 'pki', accepts: [] })
  }, 240_000)

  it('trireme keys rotate says what is in force, and refuses what will not do', async () => {
    const { client } = daemons
    const rotate = () => client.host.namespace.run([TRIREME, 'keys', 'rotate', '--socket', client.socket])
    expect(await rotate()).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^in force: pki \(key ID/),
    })
    await client.writeConfig({ auth: pkiAuth('none'), tokens })
    expect(await rotate()).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('none/cert.pem: ENOENT'),
    })
    await client.writeConfig({ auth: pkiAuth('ca3'), tokens })
    expect(await client.status()).toMatchObject({ mode: 'pki' })
  })

  it.each([
    ['the node key of the CA that was dropped', pkiAuth('ca2', 'both.pem'), 'token'],
    ['the pre-shared key that was dropped', psk('psk2'), 'mode'],
  ])(
    `0 of ${OLD_KEY_ATTEMPTS} handshakes with %s are accepted`,
    async (what, auth, reason) => {
      const { client, server } = daemons
      await client.writeConfig({ auth, tokens })
      await askDaemon({ socket: client.socket, method: 'POST', path: '/v1/secrets', timeoutMs: 60_000 })
      const before = refusals(await server.flows(), reason)
      const many = program('many-sessions', address(), '7000', String(OLD_KEY_ATTEMPTS), '2500')
      const { stdout, stderr } = await runAsPU(client, FRONTEND, many)
      const outcomes = (JSON.parse(stdout || '[]') as { readonly outcome: string }[]).map(
        each => each.outcome,
      )
      expect(outcomes, stderr).toHaveLength(OLD_KEY_ATTEMPTS)
      const accepted = outcomes.filter(outcome => outcome === 'echo')
      console.log(`old keys, ${what}, ${tokens}: ${accepted.length} of ${outcomes.length} accepted`)
      expect(accepted).toEqual([])
      expect(refusals(await server.flows(), reason)).toBeGreaterThan(before)
    },
    120_000,
  )
})

function refusals(flows: readonly { readonly reason: string }[], reason: string): number {
  return flows.filter(flow => flow.reason === reason).length
}

async function writeSecret(daemon: Daemon, name: string, content: string): Promise<void> {
  await writeFile(join(daemon.folder, name), content, { mode: 0o600 })
}
