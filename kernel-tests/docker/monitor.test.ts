import { statSync } from 'node:fs'
import process from 'node:process'
import { newTestCollector, newTestSynchronizationHandler } from '@trireme/core/testing'
import {
  type DockerMonitor,
  type DockerMonitorOptions,
  type DockerMonitorProblem,
  dockerMonitor,
} from '@trireme/monitor-docker'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../harness/eventually.js'
import { NetworkNamespace } from '../harness/network-namespace.js'
import { Teardown } from '../harness/teardown.js'
import { DockerEngine, IMAGE } from './docker-engine.js'
import { RecordedPUs } from './recorded-pus.js'

const machine = new Teardown()
let engine: DockerEngine

beforeAll(async () => {
  const namespace = machine.own(await NetworkNamespace.make('docker'))
  engine = machine.own(await DockerEngine.start(namespace))
})
afterAll(() => machine.run())

let teardown = new Teardown()
let pus = new RecordedPUs()
let problems: DockerMonitorProblem[] = []
let collector = newTestCollector()
let synchronizationHandler = newTestSynchronizationHandler()

afterEach(async () => {
  await teardown.run()
  teardown = new Teardown()
  pus = new RecordedPUs()
  problems = []
  collector = newTestCollector()
  synchronizationHandler = newTestSynchronizationHandler()
})

async function monitored(options: DockerMonitorOptions = {}): Promise<DockerMonitor> {
  const monitor = dockerMonitor({
    engine: engine.address,
    onProblem: problem => problems.push(problem),
    ...options,
  })({ handler: pus, synchronizationHandler, collector })
  await monitor.start()
  return teardown.own(monitor)
}

async function container(flags: readonly string[], ...command: readonly string[]): Promise<string> {
  const id = await engine.run(flags, ...(command.length > 0 ? command : ['sleep', '600']))
  teardown.add(async () => void (await engine.docker('rm', '-f', id)))
  return id
}

describe('a container', () => {
  it('is a PU in its own network namespace, its labels the tags', async () => {
    const monitor = await monitored()
    const id = await container(['--name', 'shop', '-l', 'app=web', '-l', 'note=a=b', '-l', 'empty='])
    await pus.until(id, 'start')
    const runtime = pus.runtimeOf(id)!
    expect(runtime).toMatchObject({ kind: 'container', name: 'shop', pid: await engine.pidOf(id) })
    expect(runtime.tags).toEqual(
      expect.arrayContaining([
        { key: 'app', value: 'web' },
        { key: 'note', value: 'a=b' },
        { key: 'empty', value: '' },
        { key: '@sys:image', value: IMAGE },
        { key: '@sys:name', value: 'shop' },
      ]),
    )
    const { path } = runtime.isolation as { path: string }
    expect(statSync(path).ino).toBe(statSync(`/proc/${runtime.pid}/ns/net`).ino)
    await engine.mustDocker('rm', '-f', id)
    await pus.until(id, 'destroy')
    expect(pus.of(id)).toEqual(['create', 'start', 'stop', 'destroy'])
    expect(() => statSync(path)).toThrow('ENOENT')
    expect(monitor.list()).toEqual([])
    expect(problems).toEqual([])
  })

  it('has its pauses, restarts and networks told in order', async () => {
    await monitored()
    const id = await container(['-l', 'app=web'])
    await pus.until(id, 'start')
    await engine.mustDocker('pause', id)
    await engine.mustDocker('unpause', id)
    const network = `n${process.pid}`
    await engine.mustDocker('network', 'create', network)
    teardown.add(async () => void (await engine.docker('network', 'rm', network)))
    await engine.mustDocker('network', 'connect', network, id)
    await eventually('the network is known', () =>
      Object.keys(pus.runtimeOf(id)?.options ?? {}).includes(`address:${network}`),
    )
    await engine.mustDocker('restart', '-t', '0', id)
    await pus.until(id, 'start', 2)
    await engine.mustDocker('rm', '-f', id)
    await pus.until(id, 'destroy')
    expect(pus.of(id)).toEqual(['create', 'start', 'pause', 'unpause', 'stop', 'start', 'stop', 'destroy'])
    expect(problems).toEqual([])
  })
})

describe('labels', () => {
  it('may be long, empty and in any script; those that look like reserved tags are refused', async () => {
    await monitored()
    const long = 'x'.repeat(64 * 1024)
    const labels = [`long=${long}`, 'größe=groß', '@sys:image=forged', '$id=forged', 'plain=']
    const id = await container(labels.flatMap(label => ['-l', label]))
    await pus.until(id, 'start')
    const tags = pus.runtimeOf(id)!.tags
    expect(tags).toEqual(
      expect.arrayContaining([
        { key: 'long', value: long },
        { key: 'größe', value: 'groß' },
        { key: 'plain', value: '' },
      ]),
    )
    expect(tags.filter(({ key }) => key === '@sys:image')).toEqual([{ key: '@sys:image', value: IMAGE }])
    expect(problems.map(({ kind }) => kind)).toEqual(['label-refused', 'label-refused'])
    expect(collector.puRecords.map(({ reason }) => reason)).toEqual(
      expect.arrayContaining([expect.stringContaining('"@sys:image"'), expect.stringContaining('"$id"')]),
    )
  })
})

describe('a container that cannot be enforced', () => {
  it('is killed', async () => {
    const monitor = await monitored()
    pus.refuse = () => new Error('no policy for it')
    const id = await container([])
    await eventually('it is killed', async () => (await engine.inspect(id, '{{.State.Running}}')) === 'false')
    expect(await engine.inspect(id, '{{.State.ExitCode}}')).toBe('137')
    expect(problems).toMatchObject([{ kind: 'not-enforced', contextID: id.slice(0, 12) }])
    expect(monitor.list()).toEqual([])
  })

  it('is killed though the engine would start it again', async () => {
    await monitored()
    pus.refuse = () => new Error('no policy for it')
    const id = await container(['--restart', 'always'])
    await eventually('it is killed', async () => (await engine.inspect(id, '{{.State.Status}}')) === 'exited')
    expect(await engine.inspect(id, '{{.RestartCount}}')).toBe('0')
  })

  it('is cut off where it must not be killed, and stays so', async () => {
    await monitored({ killContainerOnError: false })
    const network = `cut${process.pid}`
    await engine.mustDocker('network', 'create', network)
    teardown.add(async () => void (await engine.docker('network', 'rm', network)))
    pus.refuse = () => new Error('no policy for it')
    const id = await container([])
    await eventually('it is cut off', () => problems.some(({ kind }) => kind === 'cut-off'))
    const links = async () => (await engine.docker('exec', id, 'ip', 'link')).stdout
    expect(await links()).not.toMatch(/eth0.*\bUP\b/)
    await engine.mustDocker('network', 'connect', network, id)
    await eventually(
      'the new interface is down',
      async () => /eth1/.test(await links()) && !/eth1.*\bUP\b/.test(await links()),
    )
    expect(await engine.inspect(id, '{{.State.Running}}')).toBe('true')
    pus.refuse = () => undefined
    await engine.mustDocker('restart', '-t', '0', id)
    await pus.until(id, 'start', 2)
    await eventually('it has its network', async () => /eth0.*\bUP\b/.test(await links()))
  })

  it('is killed where it is in the network of a host that is not ours', async () => {
    await monitored({ killContainerOnError: false })
    const id = await container(['--network', 'host'])
    await eventually('it is killed', async () => (await engine.inspect(id, '{{.State.Running}}')) === 'false')
    expect(String(problems[0]?.error)).toContain('run the daemon there')
    expect(collector.puRecords).toMatchObject([{ event: 'forcestop', contextID: id.slice(0, 12) }])
  })
})

describe('synchronization', () => {
  it('enforces what runs already, and tells of all', async () => {
    const running = await container(['-l', 'app=web'])
    const paused = await container([])
    const stopped = await container([])
    await engine.mustDocker('pause', paused)
    await engine.mustDocker('kill', stopped)
    const monitor = await monitored()
    expect(pus.of(running)).toEqual(['start'])
    expect(pus.of(paused)).toEqual(['start', 'pause'])
    expect(pus.of(stopped)).toEqual([])
    const told = synchronizationHandler.calls.map(({ method, args }) => [method, ...args.slice(0, 2)])
    expect(told).toHaveLength(4)
    expect(told).toEqual(
      expect.arrayContaining([
        ['handleSynchronization', running.slice(0, 12), 'started'],
        ['handleSynchronization', paused.slice(0, 12), 'paused'],
        ['handleSynchronization', stopped.slice(0, 12), 'stopped'],
      ]),
    )
    expect(told.at(-1)).toEqual(['handleSynchronizationComplete'])
    await monitor.stop()
    await monitor.stop()
    expect(pus.of(running)).toEqual(['start'])
    await monitored()
    expect(pus.of(running)).toEqual(['start', 'start'])
  })

  it('leaves alone what runs already, if it is told to', async () => {
    const running = await container([])
    await monitored({ syncAtStart: false })
    const later = await container([])
    await pus.until(later, 'start')
    expect(pus.of(running)).toEqual([])
    await engine.mustDocker('restart', '-t', '0', running)
    await pus.until(running, 'start')
  })
})

describe('an engine', () => {
  it('that is not there is told apart', async () => {
    await expect(monitored({ engine: 'unix:///nowhere/docker.sock' })).rejects.toThrow(
      /ENOENT.*is Docker running/,
    )
    await expect(monitored({ engine: 'tcp://127.0.0.1:1' })).rejects.toThrow(
      /ECONNREFUSED.*is Docker running/,
    )
  })
})

describe('an engine with live restore', () => {
  let other: DockerEngine

  beforeAll(async () => {
    other = machine.own(await DockerEngine.start(engine.namespace, ['--live-restore', '--bridge', 'none']))
  })

  it('may end and come back: what happened meanwhile is told, what did not is left alone', async () => {
    await monitored({ engine: other.address })
    const survivor = await other.run(['--network', 'none'], 'sleep', '600')
    const victim = await other.run(['--network', 'none'], 'sleep', '600')
    await pus.until(survivor, 'start')
    await pus.until(victim, 'start')
    const pid = await other.pidOf(victim)
    await other.end()
    await eventually('the monitor knows', () => problems.some(({ kind }) => kind === 'engine-lost'))
    process.kill(pid, 'SIGKILL')
    await other.begin()
    await pus.until(victim, 'stop')
    await eventually('the monitor is back', () => problems.some(({ kind }) => kind === 'engine-back'))
    expect(pus.of(survivor)).toEqual(['create', 'start'])
    const next = await other.run(['--network', 'none'], 'sleep', '600')
    await pus.until(next, 'start')
    await other.mustDocker('rm', '-f', survivor, victim, next)
    await pus.until(victim, 'destroy')
    expect(pus.of(victim)).toEqual(['create', 'start', 'stop', 'destroy'])
  })
})
