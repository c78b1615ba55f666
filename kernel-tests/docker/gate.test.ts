import { access, mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import {
  type DockerMonitor,
  type DockerMonitorOptions,
  type DockerMonitorProblem,
  dockerMonitor,
  installRuntime,
  removeRuntime,
} from '@trireme/monitor-docker'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../harness/eventually.js'
import { NetworkNamespace } from '../harness/network-namespace.js'
import { Teardown } from '../harness/teardown.js'
import { DockerEngine, IMAGE } from './docker-engine.js'
import { RecordedPUs } from './recorded-pus.js'

const machine = new Teardown()
let engine: DockerEngine
let places: { readonly folder: string; readonly configFile: string }
let gateSocket: string

beforeAll(async () => {
  const namespace = machine.own(await NetworkNamespace.make('gate'))
  engine = machine.own(await DockerEngine.start(namespace))
  places = { folder: join(engine.folder, 'runtime'), configFile: engine.configFile }
  gateSocket = join(engine.folder, 'gate', 'gate.sock')
  await installRuntime({ ...places, gateSocket, timeoutMs: 3000 })
  process.kill(engine.pid, 'SIGHUP')
  await eventually('the runtime is the default', async () =>
    (await engine.mustDocker('info', '-f', '{{.DefaultRuntime}}')).includes('trireme'),
  )
})
afterAll(() => machine.run())

let teardown = new Teardown()
let pus = new RecordedPUs()
let problems: DockerMonitorProblem[] = []

afterEach(async () => {
  await teardown.run()
  teardown = new Teardown()
  pus = new RecordedPUs()
  problems = []
})

async function monitored(options: DockerMonitorOptions = {}): Promise<DockerMonitor> {
  const onProblem = (problem: DockerMonitorProblem) => void problems.push(problem)
  const monitor = dockerMonitor({ engine: engine.address, gateSocket, onProblem, ...options })({
    handler: pus,
  })
  await monitor.start()
  return teardown.own(monitor)
}

describe('the gate', () => {
  it('lets no container run before it is enforced', async () => {
    await monitored()
    let release = () => {}
    pus.hold = () =>
      new Promise(resolve => {
        release = resolve
      })
    const running = engine.docker('run', '--rm', '-l', 'app=web', IMAGE, 'echo', 'I run')
    await eventually('the container waits', () => pus.events.some(({ event }) => event === 'create'))
    const [waiting] = await eventually('it is listed', async () => {
      const ids = (await engine.mustDocker('ps', '-aq', '--no-trunc')).split('\n').filter(Boolean)
      return ids.length > 0 ? ids : undefined
    })
    await eventually('its runtime is known', () => pus.runtimeOf(waiting!))
    expect(pus.runtimeOf(waiting!)!.tags).toContainEqual({ key: 'app', value: 'web' })
    release()
    const { code, stdout } = await running
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'I run\n' })
    await pus.until(waiting!, 'destroy')
    expect(pus.of(waiting!)).toEqual(['create', 'start', 'stop', 'destroy'])
    expect(problems).toEqual([])
  })

  it('refuses a container whose policy fails, and says why', async () => {
    await monitored()
    pus.refuse = () => new Error('no policy for it')
    const { code, stdout, stderr } = await engine.docker('run', '--rm', IMAGE, 'echo', 'I run')
    expect(code).not.toBe(0)
    expect(stdout).toBe('')
    expect(stderr).toContain('no policy for it')
    expect(problems.map(({ kind }) => kind)).toEqual(['not-enforced'])
  })

  it('refuses a container when no daemon is there in time', async () => {
    const { code, stdout, stderr } = await engine.docker('run', '--rm', IMAGE, 'echo', 'I run')
    expect(code).not.toBe(0)
    expect(stdout).toBe('')
    expect(stderr).toContain('no daemon listens')
  })

  it('takes down a PU whose container could not start after all', async () => {
    const monitor = await monitored()
    const { code } = await engine.docker(
      'run',
      '--network',
      'none',
      '--name',
      'broken',
      IMAGE,
      'no-such-program',
    )
    teardown.add(async () => void (await engine.docker('rm', '-f', 'broken')))
    expect(code).toBe(127)
    await eventually('the PU has ended', () => pus.events.some(({ event }) => event === 'stop'))
    expect(monitor.list()).toEqual([])
  })

  it('holds restarts back, too', async () => {
    await monitored()
    const id = await engine.run(['-l', 'app=web'], 'sleep', '600')
    teardown.add(async () => void (await engine.docker('rm', '-f', id)))
    await engine.mustDocker('restart', '-t', '0', id)
    await engine.mustDocker('restart', '-t', '0', id)
    await pus.until(id, 'start', 3)
    expect(pus.of(id)).toEqual(['create', 'start', 'stop', 'start', 'stop', 'start'])
    expect(problems).toEqual([])
  })
})

describe('an engine that starts its containers before it answers, as after a reboot', () => {
  const COUNT = 8

  it('has all containers of a restart policy back, each enforced before its first instruction', async () => {
    const marks = join(engine.folder, 'marks')
    await mkdir(marks)
    const first = await monitored()
    const names = Array.from({ length: COUNT }, (_, index) => `back-${index}`)
    teardown.add(async () => void (await engine.docker('rm', '-f', ...names)))
    const ids = await Promise.all(
      Array.from({ length: COUNT }, (_, index) =>
        engine.run(
          [
            ...[
              '--restart',
              'always',
              '--name',
              `back-${index}`,
              '-l',
              `app=a${index}`,
              '-v',
              `${marks}:/marks`,
            ],
            ...(index === 0 ? ['--network', 'none'] : []),
          ],
          ...['sh', '-c', `echo ran > /marks/back-${index}; exec sleep 600`],
        ),
      ),
    )
    await first.stop()
    await engine.end()
    await rm(marks, { recursive: true })
    await mkdir(marks)
    pus.events.length = 0
    const early: string[] = []
    pus.hold = async runtime => {
      const name = runtime?.name ?? ''
      await access(join(marks, name)).then(
        () => void early.push(name),
        () => {},
      )
    }
    const monitor = await monitored({ waitForEngine: true })
    expect(problems.map(({ kind }) => kind)).toEqual(['engine-awaited'])
    await engine.begin()
    await monitor.synchronized()
    const running = await engine.mustDocker('ps', '-q', '--no-trunc')
    expect(running.split('\n').sort()).toEqual([...ids].sort())
    expect(monitor.list()).toHaveLength(COUNT)
    expect(early).toEqual([])
    await eventually('all have run', async () => (await readdir(marks)).length === COUNT)
    expect(problems.map(({ kind }) => kind)).not.toContain('not-enforced')
    expect(problems.at(-1)).toMatchObject({ kind: 'engine-back' })
  })
})

describe('containers that end by themselves before they are enforced', () => {
  it('are no problem, whatever their number', async () => {
    await monitored({ gateSocket: join(engine.folder, 'gate', 'other.sock') })
    const batches = Array.from({ length: 8 }, async () => {
      for (let turn = 0; turn < 5; turn++) {
        await engine.mustDocker('run', '--rm', '--runtime', 'runc', IMAGE, 'true')
      }
    })
    await Promise.all(batches)
    await eventually('all are removed', async () => (await engine.mustDocker('ps', '-aq')) === '')
    const removed = () => pus.events.filter(({ event }) => event === 'destroy').length
    await eventually('all are told of', () => removed() >= 40)
    expect(problems).toEqual([])
  })
})

it('removes the runtime, and containers made with it live on', async () => {
  const monitor = await monitored()
  const id = await engine.run(['-l', 'app=web'], 'sleep', '600')
  await monitor.stop()
  await removeRuntime(places)
  await removeRuntime(places)
  process.kill(engine.pid, 'SIGHUP')
  await eventually('runc is the default', async () =>
    (await engine.mustDocker('info', '-f', '{{.DefaultRuntime}}')).includes('runc'),
  )
  await engine.mustDocker('restart', '-t', '0', id)
  await engine.mustDocker('rm', '-f', id)
  await removeRuntime({ ...places, purge: true })
  expect(JSON.parse(await readFile(engine.configFile, 'utf8'))).toEqual({ 'default-runtime': 'runc' })
  await expect(access(places.folder)).rejects.toThrow('ENOENT')
})
