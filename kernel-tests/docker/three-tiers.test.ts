import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NetworkNamespace } from '../harness/network-namespace.js'
import { rulesSnapshot } from '../harness/rules-snapshot.js'
import { Teardown } from '../harness/teardown.js'
import { uniqueName } from '../harness/unique-name.js'
import { DockerEngine } from './docker-engine.js'
import { Protection } from './protection.js'

const TIERS = ['frontend', 'backend', 'database'] as const
type Tier = (typeof TIERS)[number]
/** Whom each tier reaches. */
type Matrix = Readonly<Record<string, readonly Tier[]>>

const PORT = 8080
const rule = (from: Tier, to: Tier) => ({
  name: `${to}-from-${from}`,
  from: { tier: from },
  to: { tier: to },
  ports: [PORT],
  action: 'allow',
})
const POLICY = { default: 'deny', rules: [rule('frontend', 'backend'), rule('backend', 'database')] }
const NEW_POLICY = { default: 'deny', rules: [rule('frontend', 'database'), rule('backend', 'frontend')] }

/** The rules that a daemon leaves behind are the next one's by its name. */
const SERVER_ID = uniqueName('tiers')

const teardown = new Teardown()
let engine: DockerEngine
let protection: Protection
let rulesBefore: string
const addresses = new Map<Tier, string>()

beforeAll(async () => {
  const namespace = teardown.own(await NetworkNamespace.make('tiers'))
  engine = teardown.own(await DockerEngine.start(namespace))
  protection = teardown.own(await Protection.start(engine, { serverID: SERVER_ID, policy: POLICY }))
  rulesBefore = await rulesSnapshot(namespace)
  for (const tier of TIERS) {
    const id = await engine.run(
      ['--name', tier, '-l', `tier=${tier}`],
      ...['nc', '-ll', '-p', String(PORT), '-e', 'echo', `I am ${tier}`],
    )
    await protection.until(id, 'start')
    addresses.set(tier, await engine.inspect(id, '{{.NetworkSettings.IPAddress}}'))
  }
})
afterAll(() => teardown.run())

/** Probes the six pairs of different tiers: what a container says to itself is not policed. */
async function probe(): Promise<Matrix> {
  const probes = TIERS.map(async from => {
    const reached: Tier[] = []
    for (const to of TIERS.filter(each => each !== from)) {
      const argv = ['timeout', '5', 'nc', '-w', '3', addresses.get(to)!, String(PORT)]
      const { stdout } = await engine.docker('exec', from, ...argv)
      if (stdout === `I am ${to}\n`) reached.push(to)
    }
    return [from, reached] as const
  })
  return Object.fromEntries(await Promise.all(probes))
}

describe('three tiers by their labels', () => {
  it('reach each other as the policy says', async () => {
    expect(await probe()).toEqual({ frontend: ['backend'], backend: ['database'], database: [] })
  })

  it('reach each other as the new policy says, live', async () => {
    await protection.apply(NEW_POLICY)
    expect(await probe()).toEqual({ frontend: ['database'], backend: ['frontend'], database: [] })
    await protection.apply(POLICY)
  })

  it('cannot be reached without identity', async () => {
    for (const tier of TIERS) {
      const { stdout } = await engine.namespace.run(['nc', '-w', '1', addresses.get(tier)!, String(PORT)])
      expect(stdout).toBe('')
    }
  })

  it('leave the rules of the host as they were', async () => {
    expect(await rulesSnapshot(engine.namespace)).toBe(rulesBefore)
    expect(rulesBefore).not.toMatch(/TRI/)
    expect(protection.problems).toEqual([])
  })

  it('stay enforced while the daemon is away, and are reached again when it is back', async () => {
    await protection.stop()
    expect(await probe()).toEqual({ frontend: [], backend: [], database: [] })
    protection = teardown.own(
      await Protection.start(engine, { serverID: SERVER_ID, policy: POLICY, generation: 1 }),
    )
    expect(await probe()).toEqual({ frontend: ['backend'], backend: ['database'], database: [] })
  }, 120_000)

  it('are told about in flow records', async () => {
    const denied = protection.flows.find(({ verdict }) => verdict === 'reject')
    expect(denied).toMatchObject({ reason: 'policy' })
    expect(
      protection.flows.some(({ verdict, rule }) => verdict === 'accept' && rule === 'backend-from-frontend'),
    ).toBe(true)
  })
})
