import { join } from 'node:path'
import process from 'node:process'
import { installRuntime } from '@trireme/monitor-docker'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../harness/eventually.js'
import { JSONLinesProcess } from '../harness/json-lines-process.js'
import { NetworkNamespace } from '../harness/network-namespace.js'
import { Teardown } from '../harness/teardown.js'
import { DockerEngine, IMAGE } from './docker-engine.js'
import { Protection } from './protection.js'

const GATEWAY = '172.17.0.1'
const PORT = 7070
const POLICY = {
  default: 'deny',
  rules: [{ name: 'web-from-client', from: { app: 'client' }, to: { app: 'web' }, action: 'allow' }],
}

const teardown = new Teardown()
let engine: DockerEngine
let gateSocket: string

beforeAll(async () => {
  const namespace = teardown.own(await NetworkNamespace.make('first'))
  engine = teardown.own(await DockerEngine.start(namespace))
  gateSocket = join(engine.folder, 'gate', 'gate.sock')
  const places = { folder: join(engine.folder, 'runtime'), configFile: engine.configFile }
  await installRuntime({ ...places, gateSocket, isDefault: false })
  process.kill(engine.pid, 'SIGHUP')
  await eventually('the runtime is known', async () =>
    (await engine.mustDocker('info', '-f', '{{json .Runtimes}}')).includes('trireme'),
  )
  // On the host, and no PU: nobody may reach it.
  const serve = ['busybox', 'nc', '-ll', '-p', String(PORT), '-e', 'echo', 'leaked']
  teardown.own(new JSONLinesProcess(namespace.inside(serve)))
  teardown.own(await Protection.start(engine, { policy: POLICY, monitor: { gateSocket } }))
})
afterAll(() => teardown.run())

describe('a container whose first instruction connects', () => {
  it('gets nowhere where the runtime holds it back', async () => {
    for (let i = 0; i < 5; i++) {
      const connect = ['nc', '-w', '1', GATEWAY, String(PORT)]
      const { stdout, code } = await engine.docker('run', '--rm', '--runtime', 'trireme', IMAGE, ...connect)
      expect({ stdout, code }).toEqual({ stdout: '', code: 1 })
    }
  })

  it('reaches with its identity whom it may', async () => {
    const web = ['nc', '-ll', '-p', '80', '-e', 'echo', 'I am web']
    const id = await engine.run(['--runtime', 'trireme', '-l', 'app=web'], ...web)
    const address = await engine.inspect(id, '{{.NetworkSettings.IPAddress}}')
    const flags = ['--rm', '--runtime', 'trireme', '-l', 'app=client']
    const { stdout } = await engine.docker('run', ...flags, IMAGE, 'nc', '-w', '3', address, '80')
    expect(stdout).toBe('I am web\n')
  })

  it('has a moment of freedom where events alone tell of it', async () => {
    // A connection that enforcement cuts says nothing any more.
    const connect = `timeout 1 nc -w 1 ${GATEWAY} ${PORT}`
    const script =
      'read a x </proc/uptime; b=$a; n=0; ' +
      `while [ "$(${connect})" = leaked ]; do n=$((n+1)); read b x </proc/uptime; done; echo $a $b $n`
    const gaps: number[] = []
    for (let i = 0; i < 5; i++) {
      const out = await engine.mustDocker('run', '--rm', '--runtime', 'runc', IMAGE, 'sh', '-c', script)
      const [from = 0, to = 0, reached = 0] = out.split(' ').map(Number)
      expect(reached).toBeGreaterThan(0)
      gaps.push(Math.round((to - from) * 1000))
    }
    console.log(`ms between the first instruction and enforcement, by events alone: ${gaps.join(', ')}`)
  })
})

it('costs a start some time to be held back', async () => {
  const took = async (runtime: string) => {
    const times: number[] = []
    for (let i = 0; i < 5; i++) {
      const before = performance.now()
      await engine.mustDocker('run', '--rm', '--runtime', runtime, IMAGE, 'true')
      times.push(performance.now() - before)
    }
    return Math.round(times.sort((a, b) => a - b)[2]!)
  }
  console.log(`ms of docker run, median: runc ${await took('runc')}, held back ${await took('trireme')}`)
})
