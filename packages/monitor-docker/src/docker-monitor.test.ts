import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { KernelError, type PUEvent, type PURuntime, TriremeError } from '@trireme/core'
import { manualClock, newTestCollector, newTestProcessingUnitsHandler } from '@trireme/core/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type DockerMonitor, type DockerMonitorOptions, dockerMonitor } from './docker-monitor.js'
import { InMemoryEngine } from './engine-in-memory.js'
import type { DockerMonitorProblem } from './monitor-problem.js'
import { ProcFixture } from './proc-fixture.js'

let engine: InMemoryEngine
let proc: ProcFixture
let monitor: DockerMonitor | undefined
let events: string[]
let problems: DockerMonitorProblem[]
let runtimes: Map<string, PURuntime>
let collector: ReturnType<typeof newTestCollector>
let onEvent: (contextID: string, event: PUEvent) => Promise<void> | void
const clock = manualClock()

beforeEach(() => {
  engine = new InMemoryEngine()
  proc = new ProcFixture()
  events = []
  problems = []
  runtimes = new Map()
  collector = newTestCollector()
  onEvent = () => {}
})
afterEach(async () => {
  await monitor?.stop()
  monitor = undefined
  proc.remove()
})

async function begin(options: DockerMonitorOptions = {}): Promise<void> {
  const handler = {
    setPURuntime: (contextID: string, runtime: PURuntime) => void runtimes.set(contextID, runtime),
    handlePUEvent: async (contextID: string, event: PUEvent) => {
      await onEvent(contextID, event)
      events.push(`${nameOf(contextID)} ${event}`)
    },
  }
  monitor = dockerMonitor({
    connect: engine.connect,
    procFolder: proc.folder,
    onProblem: problem => void problems.push(problem),
    clock,
    ...options,
  })({ handler, collector })
  await monitor.start()
}

const nameOf = (contextID: string) => runtimes.get(contextID)?.name ?? 'unknown'

function run(
  name: string,
  pid: number,
  facts: { networkMode?: string; inNamespaceOf?: number } = {},
): string {
  const containerID = engine.create({ name, labels: { app: name }, ...facts })
  proc.begin({ pid, containerID, ...facts })
  engine.start(containerID, pid)
  return containerID
}

const seenLast = (...expected: readonly string[]) =>
  vi.waitFor(() => expect(events.slice(-expected.length)).toEqual(expected))

const seen = (...expected: readonly string[]) => vi.waitFor(() => expect(events).toEqual(expected))

describe('dockerMonitor', () => {
  it('tells of a container from beginning to end', async () => {
    await begin()
    const id = run('web', 11)
    await seen('unknown create', 'web start')
    expect(runtimes.get(id.slice(0, 12))).toMatchObject({ kind: 'container', pid: 11, ports: [] })
    expect(monitor?.list()).toEqual([{ contextID: id.slice(0, 12), containerID: id }])
    engine.pause(id)
    engine.emit(id, 'unpause')
    proc.end(11)
    engine.die(id)
    engine.destroy(id)
    await seen('unknown create', 'web start', 'web pause', 'web unpause', 'web stop', 'web destroy')
    expect(monitor?.list()).toEqual([])
    expect(problems).toEqual([])
  })

  it('keeps the order of one container, and lets others pass', async () => {
    let release = () => {}
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    onEvent = (contextID, event) => {
      if (nameOf(contextID) === 'slow' && event === 'start') return held
    }
    await begin()
    const slow = run('slow', 11)
    await vi.waitFor(() => expect(runtimes.get(slow.slice(0, 12))).toBeDefined())
    proc.end(11)
    engine.die(slow)
    run('quick', 12)
    await vi.waitFor(() => expect(events).toContain('quick start'))
    release()
    await vi.waitFor(() => expect(events.slice(-2)).toEqual(['slow start', 'slow stop']))
  })

  it('enforces what runs when it starts, and not what has ended', async () => {
    run('web', 11)
    engine.create({ name: 'idle' })
    await begin()
    expect(events).toEqual(['web start'])
  })

  it('says of a container whether it has only just begun', async () => {
    const before = run('web', 11)
    await begin()
    const after = run('new', 12)
    await seen('web start', 'unknown create', 'new start')
    expect(runtimes.get(before.slice(0, 12))).not.toHaveProperty('isNew')
    expect(runtimes.get(after.slice(0, 12))).toHaveProperty('isNew', true)
  })

  it('takes no end for true that belongs to an earlier life', async () => {
    await begin()
    const id = run('web', 11)
    await vi.waitFor(() => expect(events).toContain('web start'))
    engine.emit(id, 'die')
    engine.emit(id, 'pause')
    await seen('unknown create', 'web start', 'web pause')
  })

  it('sees a new life with the old number', async () => {
    await begin()
    const id = run('web', 11)
    await vi.waitFor(() => expect(events).toContain('web start'))
    proc.end(11)
    proc.begin({ pid: 11, containerID: id, startTime: 1 })
    engine.emit(id, 'start')
    await seen('unknown create', 'web start', 'web stop', 'web start')
  })

  it('leaves a container alone that is gone when it is looked at', async () => {
    await begin()
    const id = engine.create({ name: 'web' })
    engine.emit(id, 'start')
    engine.emit('f'.repeat(64), 'start')
    engine.destroy(id)
    await seen('unknown create', 'unknown destroy')
    expect(problems).toEqual([])
  })

  it('does not take another process for the container', async () => {
    await begin()
    const id = engine.create({ name: 'web' })
    proc.begin({ pid: 11, containerID: 'f'.repeat(64) })
    engine.start(id, 11)
    await vi.waitFor(() => expect(engine.killed).toEqual([id]))
    expect(collector.puRecords).toMatchObject([
      { event: 'forcestop', reason: expect.stringContaining('ESTALE') },
    ])
  })

  it('says nothing of what has ended by itself, and does not kill it: the engine may be about to start it again', async () => {
    await begin()
    const id = engine.create({ name: 'web' })
    engine.start(id, 11)
    await seen('unknown create')
    engine.die(id)
    proc.begin({ pid: 12, containerID: id })
    engine.start(id, 12)
    await vi.waitFor(() => {
      clock.advance(100)
      expect(events).toContain('web start')
    })
    expect(problems).toEqual([])
    expect(collector.puRecords).toEqual([])
    expect(engine.killed).toEqual([])
  })

  it('kills what runs by the engine’s word and has no process here: nobody would enforce it', async () => {
    await begin()
    const id = engine.create({ name: 'web' })
    engine.start(id, 11)
    const patience = { timeout: 10_000, interval: 10 }
    await vi.waitFor(() => {
      clock.advance(100)
      expect(engine.killed).toEqual([id])
    }, patience)
    expect(problems.map(({ kind }) => kind)).toEqual(['not-enforced'])
  })

  it('says nothing of a container that ends while it is being enforced', async () => {
    await begin()
    let hasFailed = false
    onEvent = (_, event) => {
      if (event !== 'start') return
      proc.end(11)
      engine.die(id)
      hasFailed = true
      throw new Error('its interface is gone')
    }
    const id = run('web', 11)
    await vi.waitFor(() => expect(hasFailed).toBe(true))
    await monitor?.stop()
    expect(problems).toEqual([])
    expect(engine.killed).toEqual([])
  })

  it('kills what was refused, and says so', async () => {
    onEvent = (_, event) => {
      if (event === 'start') throw new Error('no policy')
    }
    await begin()
    const id = run('web', 11)
    await vi.waitFor(() => expect(engine.killed).toEqual([id]))
    expect(problems).toMatchObject([{ kind: 'not-enforced', error: new Error('no policy') }])
    // The handler has its own record of this.
    expect(collector.puRecords).toEqual([])
  })

  it('cuts off what was refused and must not be killed; what cannot be cut off is killed', async () => {
    const cut: string[] = []
    onEvent = (_, event) => {
      if (event === 'start') throw new Error('no policy')
    }
    let failure: Error | undefined
    await begin({
      killContainerOnError: false,
      cutOff: async path => {
        if (failure) throw failure
        cut.push(path)
      },
    })
    run('web', 11)
    await vi.waitFor(() => expect(problems.map(({ kind }) => kind)).toEqual(['not-enforced', 'cut-off']))
    expect(cut).toHaveLength(1)
    expect(engine.killed).toEqual([])
    failure = new Error('no ip here')
    const id = run('other', 12)
    await vi.waitFor(() => expect(engine.killed).toEqual([id]))
  })

  it('refuses a container that the engine cannot describe', async () => {
    await begin()
    const id = engine.create()
    engine.failures.set(id, new KernelError({ op: 'GET', errno: 'HTTP 500', detail: 'broken' }))
    engine.start(id, 11)
    await vi.waitFor(() => expect(engine.killed).toEqual([id]))
    expect(collector.puRecords).toMatchObject([{ event: 'forcestop', reason: 'GET: HTTP 500: broken' }])
  })
})

describe('a container in the network of another', () => {
  it('is no PU, and keeps the PU in force as long as it lives', async () => {
    await begin()
    const web = run('web', 11)
    await vi.waitFor(() => expect(events).toContain('web start'))
    const sidecar = run('sidecar', 12, { networkMode: `container:${web}`, inNamespaceOf: 11 })
    await vi.waitFor(() => expect(events.filter(event => event === 'unknown create')).toHaveLength(2))
    await new Promise(resolve => setImmediate(resolve))
    proc.end(11)
    engine.die(web)
    engine.emit(web, 'pause')
    await vi.waitFor(() => expect(events).toContain('web pause'))
    expect(events).not.toContain('web stop')
    proc.end(12)
    engine.die(sidecar)
    await vi.waitFor(() => expect(events).toContain('web stop'))
  })

  it('stays under the rules of a life of the other that is over, beside those of the new one', async () => {
    await begin()
    const web = run('web', 11)
    await vi.waitFor(() => expect(events).toContain('web start'))
    const sidecar = run('sidecar', 12, { networkMode: `container:${web}`, inNamespaceOf: 11 })
    await vi.waitFor(() => expect(events.filter(event => event === 'unknown create')).toHaveLength(2))
    const before = runtimes.get(web.slice(0, 12))
    proc.end(11)
    engine.die(web)
    proc.begin({ pid: 21, containerID: web })
    engine.start(web, 21)
    await vi.waitFor(() => expect(events.filter(event => event === 'web start')).toHaveLength(2))
    expect(events).not.toContain('web stop')
    expect(runtimes.get(web.slice(0, 12))).toBe(before)
    expect(runtimes.get(`${web.slice(0, 12)}-2`)).toMatchObject({ pid: 21 })
    proc.end(12)
    engine.die(sidecar)
    await seenLast('web stop', 'web destroy')
  })

  it('stays under the rules of the other when that is removed', async () => {
    await begin()
    const web = run('web', 11)
    await vi.waitFor(() => expect(events).toContain('web start'))
    run('sidecar', 12, { networkMode: `container:${web}`, inNamespaceOf: 11 })
    await vi.waitFor(() => expect(events.filter(event => event === 'unknown create')).toHaveLength(2))
    proc.end(11)
    engine.die(web)
    engine.destroy(web)
    run('other', 13)
    await vi.waitFor(() => expect(events).toContain('other start'))
    expect(events).not.toContain('web stop')
    proc.end(12)
    clock.advance(1000)
    await seenLast('web stop', 'web destroy')
  })

  it('is a PU of its own where the other was gone before the monitor started, or could not be enforced', async () => {
    const web = run('web', 11)
    const sidecar = run('sidecar', 12, { networkMode: `container:${web}`, inNamespaceOf: 11 })
    proc.end(11)
    engine.die(web)
    proc.begin({ pid: 21, containerID: web })
    engine.start(web, 21)
    onEvent = (contextID, event) => {
      if (event === 'start' && nameOf(contextID) === 'refused') throw new Error('no policy')
    }
    await begin()
    expect([...events].sort()).toEqual(['sidecar start', 'web start'])
    expect(runtimes.get(sidecar.slice(0, 12))).toMatchObject({ pid: 12, isolation: { by: 'netns' } })
    const refused = run('refused', 14)
    run('guest', 15, { networkMode: `container:${refused}`, inNamespaceOf: 14 })
    await vi.waitFor(() => expect(engine.killed).toEqual([refused]))
    proc.end(14)
    await vi.waitFor(() => {
      clock.advance(1000)
      expect(events).toContain('guest start')
    })
  })

  it('is a PU by its control group where that network is the host’s', async () => {
    await begin()
    const id = engine.create({ name: 'web', networkMode: 'host' })
    proc.begin({ pid: 11, containerID: id, inNamespaceOf: 'self' })
    engine.start(id, 11)
    await vi.waitFor(() => expect(events).toContain('web start'))
    expect(runtimes.get(id.slice(0, 12))).toMatchObject({
      kind: 'linux-process',
      isolation: { by: 'cgroup-path', path: `docker/${id}` },
    })
  })
})

it('keeps a PU in force while any process is in the network namespace of its container', async () => {
  await begin()
  const web = run('web', 11)
  await vi.waitFor(() => expect(events).toContain('web start'))
  proc.begin({ pid: 31, containerID: 'f'.repeat(64), inNamespaceOf: 11 })
  proc.end(11)
  engine.die(web)
  engine.destroy(web)
  run('other', 13)
  await vi.waitFor(() => expect(events).toContain('other start'))
  expect(events).not.toContain('web stop')
  proc.end(31)
  await vi.waitFor(() => {
    clock.advance(1000)
    expect(events.slice(-2)).toEqual(['web stop', 'web destroy'])
  })
})

describe('an engine that is not there yet', () => {
  it('makes a start fail', async () => {
    engine.goDown()
    await expect(begin()).rejects.toThrow('ECONNREFUSED')
  })

  it('is waited for where that is wanted, and what it runs then is enforced', async () => {
    run('web', 11)
    engine.goDown()
    await begin({ waitForEngine: true })
    const synchronized = monitor!.synchronized()
    expect(problems.map(({ kind }) => kind)).toEqual(['engine-awaited'])
    expect(monitor!.list()).toEqual([])
    engine.comeBack()
    await vi.waitFor(() => {
      clock.advance(1000)
      expect(events).toEqual(['web start'])
    })
    await synchronized
    expect(problems.map(({ kind }) => kind)).toContain('engine-back')
  })

  it('is not waited for where it is too old', async () => {
    const connect = () => Promise.reject(new TriremeError('ERR_CONFIG', 'too old'))
    await expect(begin({ waitForEngine: true, connect })).rejects.toThrow('too old')
  })
})

describe('an engine that ends', () => {
  it('is found again, and what happened meanwhile is told', async () => {
    await begin()
    const gone = run('gone', 11)
    const restarted = run('restarted', 12)
    run('same', 13)
    await vi.waitFor(() => expect(events.filter(event => event.endsWith('start'))).toHaveLength(3))
    engine.goDown()
    await vi.waitFor(() => expect(problems.map(({ kind }) => kind)).toEqual(['engine-lost']))
    events.length = 0
    proc.end(11)
    engine.die(gone)
    engine.destroy(gone)
    proc.end(12)
    engine.die(restarted)
    proc.begin({ pid: 22, containerID: restarted })
    engine.start(restarted, 22)
    run('new', 14)
    engine.comeBack()
    await vi.waitFor(() => {
      clock.advance(1000)
      expect([...events].sort()).toEqual(
        [
          'gone stop',
          'gone destroy',
          'restarted stop',
          'restarted start',
          'unknown create',
          'new start',
        ].sort(),
      )
    })
    expect(problems.map(({ kind }) => kind)).toEqual(['engine-lost', 'engine-back'])
  })

  it('in the middle of an event leaves nothing half done', async () => {
    await begin()
    const id = engine.create({ name: 'web' })
    proc.begin({ pid: 11, containerID: id })
    engine.failures.set(id, new KernelError({ op: 'GET', errno: 'ECONNRESET' }))
    engine.start(id, 11)
    await vi.waitFor(() => expect(problems.map(({ kind }) => kind)).toContain('engine-lost'))
    engine.failures.clear()
    await vi.waitFor(() => {
      clock.advance(1000)
      expect(events).toEqual(['unknown create', 'web start'])
    })
    expect(engine.killed).toEqual([])
  })

  it('and says that a container has ended whose process lives, is not believed until that has ended', async () => {
    await begin()
    const id = run('web', 11)
    const lost = run('lost', 12)
    await vi.waitFor(() => expect(events.filter(event => event.endsWith('start'))).toHaveLength(2))
    engine.goDown()
    engine.die(id)
    engine.destroy(lost)
    engine.comeBack()
    const back = () => problems.some(({ kind }) => kind === 'engine-back')
    await vi.waitFor(() => {
      clock.advance(1000)
      expect(back()).toBe(true)
    })
    expect(events.filter(event => event.endsWith('stop'))).toEqual([])
    proc.end(11)
    proc.end(12)
    await vi.waitFor(() => {
      clock.advance(1000)
      expect(events).toEqual(expect.arrayContaining(['web stop', 'lost stop', 'lost destroy']))
    })
    expect(events).not.toContain('web destroy')
  })

  it('is an error where it was never there', async () => {
    engine.goDown()
    await expect(begin()).rejects.toThrow('ECONNREFUSED')
    engine.comeBack()
    await monitor?.start()
  })
})

describe('the gate', () => {
  let gateSocket: string

  /** What the hook is answered. */
  async function knock(id: string, pid: number, bundle?: string): Promise<unknown> {
    const socket = connect(gateSocket)
    socket.write(`${JSON.stringify({ ociVersion: '1.0.2', id, pid, bundle })}\n`)
    let answer = ''
    for await (const chunk of socket) answer += String(chunk)
    return JSON.parse(answer)
  }

  function putFiles(id: string, labels: object): void {
    const folder = join(proc.folder, 'docker', 'containers', id)
    mkdirSync(folder, { recursive: true })
    const config = { ID: id, Name: '/web', State: {}, Config: { Labels: labels }, NetworkSettings: {} }
    writeFileSync(join(folder, 'config.v2.json'), JSON.stringify(config))
    writeFileSync(join(folder, 'hostconfig.json'), JSON.stringify({ NetworkMode: 'default' }))
  }

  beforeEach(() => {
    gateSocket = join(proc.folder, 'gate', 'gate.sock')
    engine.rootFolder = join(proc.folder, 'docker')
  })

  it('lets a container pass that is enforced, without a word to the engine, which would wait for us', async () => {
    await begin({ gateSocket })
    const id = run('web', 11)
    await vi.waitFor(() => expect(events).toContain('web start'))
    const release = engine.hold(id)
    engine.emit(id, 'start')
    putFiles(id, { app: 'web' })
    proc.end(11)
    engine.die(id)
    proc.begin({ pid: 12, containerID: id })
    expect(await knock(id, 12)).toEqual({})
    expect(events).toEqual(['unknown create', 'web start', 'web stop', 'web start'])
    expect(runtimes.get(id.slice(0, 12))).toMatchObject({
      pid: 12,
      tags: expect.arrayContaining([{ key: 'app', value: 'web' }]),
    })
    release()
  })

  it('lets a container pass while the engine, which starts it before it answers, is awaited', async () => {
    const id = engine.create({ labels: { app: 'web' } })
    engine.goDown()
    engine.rootFolder = '/nowhere'
    await begin({ gateSocket, waitForEngine: true, syncAtStart: false })
    putFiles(id, { app: 'web' })
    const source = join(proc.folder, 'docker', 'containers', id, 'resolv.conf')
    const mounts = [{ destination: '/proc' }, { destination: '/etc/resolv.conf', source }]
    writeFileSync(join(proc.folder, 'config.json'), JSON.stringify({ mounts }))
    proc.begin({ pid: 12, containerID: id })
    expect(await knock(id, 12, proc.folder)).toEqual({})
    expect(events).toEqual(['web start'])
    engine.start(id, 12)
    engine.comeBack()
    await vi.waitFor(() => {
      clock.advance(1000)
      expect(problems.at(-1)).toMatchObject({ kind: 'engine-back' })
    })
    engine.die(id)
    proc.end(12)
    await vi.waitFor(() => {
      clock.advance(1000)
      expect(events).toEqual(['web start', 'web stop'])
    })
  })

  it('stops a container that is refused, and kills nothing, for nothing runs', async () => {
    onEvent = (_, event) => {
      if (event === 'start') throw new Error('no policy')
    }
    await begin({ gateSocket })
    const id = engine.create()
    putFiles(id, {})
    proc.begin({ pid: 12, containerID: id })
    expect(await knock(id, 12)).toEqual({ refused: 'no policy' })
    expect(engine.killed).toEqual([])
  })

  it('stops a container of which nothing is known, and what is no request', async () => {
    await begin({ gateSocket })
    expect(await knock('f'.repeat(64), 12)).toMatchObject({ refused: expect.stringContaining('ENOENT') })
    expect(await knock('../../etc', 12)).toMatchObject({ refused: expect.stringContaining('expected id') })
    expect(collector.puRecords).toMatchObject([{ event: 'forcestop' }])
  })

  it('takes down what passed and never ran', async () => {
    await begin({ gateSocket })
    const id = engine.create()
    putFiles(id, {})
    proc.begin({ pid: 12, containerID: id })
    expect(await knock(id, 12)).toEqual({})
    proc.end(12)
    clock.advance(1000)
    await vi.waitFor(() => expect(events).toContain('web stop'))
  })

  it('is not shared with another daemon', async () => {
    await begin({ gateSocket })
    const second = dockerMonitor({ connect: engine.connect, gateSocket })({
      handler: newTestProcessingUnitsHandler(),
    })
    await expect(second.start()).rejects.toThrow('another daemon')
  })
})

it('may be started once, and stopped more often', async () => {
  await begin()
  await expect(monitor?.start()).rejects.toMatchObject({ code: 'ERR_ALREADY_STARTED' })
  await monitor?.stop()
  await monitor?.stop()
  await monitor?.start()
})

it('refuses an address that is none', () => {
  expect(() => dockerMonitor({ engine: 'ssh://elsewhere' })).toThrow('another machine')
})
