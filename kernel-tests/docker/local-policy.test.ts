import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { program } from '../harness/checkout.js'
import { NetworkNamespace } from '../harness/network-namespace.js'
import { Session } from '../harness/session.js'
import { Teardown } from '../harness/teardown.js'
import { uniqueName } from '../harness/unique-name.js'
import { DockerEngine } from './docker-engine.js'
import { Protection } from './protection.js'

const TIERS = ['frontend', 'backend', 'database'] as const
type Tier = (typeof TIERS)[number]
/** Whom each tier reaches. */
type Matrix = Readonly<Record<string, readonly Tier[]>>

const PORT = 8080
const ECHO_PORT = 8081
const rule = (from: Tier, to: Tier) => ({
  name: `${to}-from-${from}`,
  from: { tier: from },
  to: { tier: to },
  ports: [PORT, ECHO_PORT],
  action: 'allow',
})
const POLICY = { default: 'deny', rules: [rule('frontend', 'backend'), rule('backend', 'database')] }
const NEW_POLICY = { default: 'deny', rules: [rule('frontend', 'database'), rule('backend', 'frontend')] }

/** The rules that a daemon leaves behind are the next one's by its name. */
const SERVER_ID = uniqueName('local')

const teardown = new Teardown()
let engine: DockerEngine
let protection: Protection
const addresses = new Map<Tier, string>()

beforeAll(async () => {
  const namespace = teardown.own(await NetworkNamespace.make('local'))
  engine = teardown.own(await DockerEngine.start(namespace))
  const monitor = { enforcement: 'local' } as const
  protection = teardown.own(await Protection.start(engine, { serverID: SERVER_ID, policy: POLICY, monitor }))
  for (const tier of TIERS) {
    const id = await engine.run(
      ['--name', tier, '-l', `tier=${tier}`],
      ...['sh', '-c', `nc -ll -p ${ECHO_PORT} -e cat & exec nc -ll -p ${PORT} -e echo I am ${tier}`],
    )
    await protection.until(id, 'start')
    addresses.set(tier, await engine.inspect(id, '{{.NetworkSettings.IPAddress}}'))
  }
})
afterAll(() => teardown.run())

/** Probes the pairs of different tiers: what a container says to itself never reaches the host. */
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

describe('three tiers on one bridge', () => {
  it('reach each other as the policy says', async () => {
    expect(await probe()).toEqual({ frontend: ['backend'], backend: ['database'], database: [] })
  })

  it('reach each other as the new policy says, live, and what that revokes ends', async () => {
    const talk = program('session', addresses.get('database')!, String(ECHO_PORT), '3000')
    const inBackend = ['nsenter', `--net=/proc/${await engine.pidOf('backend')}/ns/net`, '--', ...talk]
    const live = teardown.own(await Session.open(inBackend))
    expect(await live.exchange(1000)).toMatchObject({ equal: true })
    await protection.apply(NEW_POLICY)
    await expect(live.exchange(10)).rejects.toThrow('connection failed')
    expect(await probe()).toEqual({ frontend: ['database'], backend: ['frontend'], database: [] })
    await protection.apply(POLICY)
  })
})
