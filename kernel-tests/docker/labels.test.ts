/** Containers with the labels of real services: more than a record has room for. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { NetworkNamespace } from '../harness/network-namespace.js'
import { Teardown } from '../harness/teardown.js'
import { DockerEngine } from './docker-engine.js'
import { Protection } from './protection.js'

const PROJECT = 'com.docker.compose.project'
const rule = (to: object) => ({ name: 'web', from: { app: 'client' }, to, action: 'allow' })
const policy = (to: object) => ({ default: 'deny', rules: [rule(to)] })
const TOOLS = ['com.docker.compose', 'org.opencontainers.image', 'traefik.http.routers.shop', 'homepage']
const teardown = new Teardown()
let engine: DockerEngine
let protection: Protection
let address: string

beforeAll(async () => {
  const namespace = teardown.own(await NetworkNamespace.make('labels'))
  engine = teardown.own(await DockerEngine.start(namespace))
  protection = teardown.own(await Protection.start(engine, { policy: policy({ app: 'web' }) }))
  const ofTools = TOOLS.flatMap(tool => Array.from({ length: 20 }, (_, i) => `${tool}.key${i}=x`))
  const ofOthers = Array.from({ length: 60 }, (_, i) => `example.key${i}=${'x'.repeat(50)}`)
  const labels = ['app=web', `${PROJECT}=shop`, ...ofTools, ...ofOthers].flatMap(label => ['-l', label])
  const web = await engine.run(labels, 'nc', '-ll', '-p', '80', '-e', 'echo', 'I am web')
  await protection.until(web, 'start')
  address = await engine.inspect(web, '{{.NetworkSettings.IPAddress}}')
  await protection.until(await engine.run(['--name', 'client', '-l', 'app=client'], 'sleep', '600'), 'start')
})
afterAll(() => teardown.run())

async function ask(): Promise<string> {
  return (await engine.docker('exec', 'client', 'nc', '-w', '3', address, '80')).stdout.trim()
}

it('a container with 142 labels is enforced by those that fit, and the others are reported once', async () => {
  expect(await ask()).toBe('I am web')
  expect(protection.problems).toMatchObject([
    { kind: 'label-refused', error: expect.stringContaining('29 labels are no part of the identity') },
  ])
})

it('a label that is left out by default is part of the identity as soon as a rule names it', async () => {
  await protection.apply(policy({ [PROJECT]: 'other' }))
  expect(await ask()).toBe('')
  await protection.apply(policy({ [PROJECT]: 'shop' }))
  expect(await ask()).toBe('I am web')
})
