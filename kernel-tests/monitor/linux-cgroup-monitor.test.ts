/** PUs of real processes in real cgroups of both versions; the handler is a recorder, so that no rule is made. */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import process from 'node:process'
import { testPolicy, testRuntime } from '@trireme/core/testing'
import {
  type LinuxCgroupMonitor,
  linuxCgroupMonitor,
  type MonitorProblem,
} from '@trireme/monitor-linux-cgroup'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventually } from '../harness/eventually.js'
import { removeCgroup } from '../harness/remove-cgroup.js'
import { Teardown } from '../harness/teardown.js'
import { uniqueName } from '../harness/unique-name.js'
import { cgroup2Folder } from '../processes/cgroup2-folder.js'
import { cgroupsIn, HIERARCHIES } from './hierarchies.js'
import { RecordingHandler } from './recording-handler.js'
import { WaitingProcess } from './waiting-process.js'

const TAGS = [{ key: 'app', value: 'web' }]
const PORTS = [{ first: 8080, last: 8081 }]

describe.each(HIERARCHIES)('with $name', hierarchy => {
  const teardown = new Teardown()
  let stateDir: string
  let name: string
  let cgroupRoot: string
  let problems: MonitorProblem[]
  let handler: RecordingHandler
  let monitor: LinuxCgroupMonitor

  beforeEach(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'trireme-monitor-'))
    teardown.add(() => rm(folder, { recursive: true }))
    cgroupRoot = await hierarchy.mount(folder, teardown)
    stateDir = join(folder, 'state')
    name = uniqueName('monitor')
    problems = []
    teardown.add(() => newMonitor().uninstall())
    handler = new RecordingHandler()
    monitor = await startMonitor()
  })
  afterEach(() => teardown.run())

  const newMonitor = () =>
    linuxCgroupMonitor({
      ...{ stateDir, name, cgroupRoot, pollMs: 100 },
      onProblem: problem => problems.push(problem),
    })({ handler })
  const startMonitor = async () => {
    const started = teardown.own(newMonitor())
    await started.start()
    return started
  }
  /** A monitor in a new process would do the same. */
  const restart = async () => {
    await monitor.stop()
    handler = new RecordingHandler()
    monitor = await startMonitor()
  }
  const waiting = (script: string, prefix?: readonly string[]) =>
    teardown.own(new WaitingProcess(script, prefix))
  const request = (pid: number) => ({ pid, name: 'web', tags: TAGS, ports: PORTS })
  const cgroup = (contextID: string) => join(cgroupRoot, `trireme-${name}`, contextID)
  const cgroups = () => cgroupsIn(join(cgroupRoot, `trireme-${name}`))
  const contexts = () => readdir(join(stateDir, 'pus'))
  const nothingLeft = () =>
    eventually('no cgroup and no context', async () => {
      return (await cgroups()).length === 0 && (await contexts()).length === 0
    })

  it('enforces a process before it lets it in, and has it in before its first instruction', async () => {
    const child = waiting('cat /proc/self/cgroup')
    handler.onEvent = async (contextID, event) => {
      if (event !== 'start') return
      const { isolation } = handler.runtimes.get(contextID)!
      expect(await hierarchy.matches(isolation, cgroup(contextID))).toBe(true)
      expect(await contexts()).toEqual([`${contextID}.json`])
      expect(await child.cgroups()).not.toContain(contextID)
    }
    const { contextID } = await monitor.run(request(child.pid))
    expect(handler.eventsOf(contextID)).toEqual(['create', 'start'])
    expect(monitor.list()).toEqual([{ contextID, runtime: handler.runtimes.get(contextID) }])
    expect(handler.runtimes.get(contextID)).toMatchObject({
      ...{ kind: 'linux-process', name: 'web', pid: child.pid, ports: PORTS },
      tags: expect.arrayContaining([
        ...TAGS,
        { key: '@sys:uid', value: '0' },
        { key: '@sys:exe', value: expect.stringMatching(/sh$/) },
        { key: '@sys:sha256', value: expect.stringMatching(/^[0-9a-f]{64}$/) },
        { key: '@sys:hostname', value: hostname() },
      ]),
    })
    child.go()
    expect(await child.output()).toContain(`/trireme-${name}/${contextID}\n`)
  })

  it('ends a PU when its last process has ended, not before', async () => {
    const child = waiting('(sleep 0.4; echo late) & echo early')
    const { contextID } = await monitor.run(request(child.pid))
    child.go()
    await eventually('the first process ends', () => !existsSync(`/proc/${child.pid}/cgroup`))
    expect(handler.eventsOf(contextID)).toEqual(['create', 'start'])
    expect(await child.output()).toBe('early\nlate\n')
    await nothingLeft()
    expect(handler.eventsOf(contextID)).toEqual(['create', 'start', 'stop', 'destroy'])
    expect(monitor.list()).toEqual([])
    expect(problems).toEqual([])
  })

  it('counts processes in cgroups below, and removes those', async () => {
    const child = waiting('true')
    const { contextID } = await monitor.run(request(child.pid))
    const inner = join(cgroup(contextID), 'a', 'b')
    await mkdir(inner, { recursive: true })
    await writeFile(join(inner, 'cgroup.procs'), String(child.pid))
    await restart()
    expect(handler.eventsOf(contextID)).toEqual(['start'])
    await child.stop()
    await nothingLeft()
    expect(handler.eventsOf(contextID)).toEqual(['start', 'stop', 'destroy'])
  })

  it('leaves nothing of a refused activation, and the process where it was', async () => {
    const child = waiting('true')
    const before = await child.cgroups()
    handler.onEvent = (_, event) => {
      if (event === 'start') throw new Error('refused by the handler')
    }
    await expect(monitor.run(request(child.pid))).rejects.toThrow('refused by the handler')
    expect(handler.events.map(event => event.split(' ')[0])).toEqual(['create', 'start', 'destroy'])
    expect(await child.cgroups()).toBe(before)
    expect(await cgroups()).toEqual([])
    expect(await contexts()).toEqual([])
    expect(monitor.list()).toEqual([])
  })

  it('leaves nothing of a process that dies while it is activated', async () => {
    const child = waiting('true')
    handler.onEvent = async (_, event) => {
      if (event === 'start') await child.stop()
    }
    await expect(monitor.run(request(child.pid))).rejects.toThrow(/process|ESRCH/)
    expect(handler.events.map(event => event.split(' ')[0])).toEqual(['create', 'start', 'stop', 'destroy'])
    expect(await cgroups()).toEqual([])
    expect(await contexts()).toEqual([])
  })

  it('refuses a process of another network namespace, and one that is gone', async () => {
    const stranger = waiting('true', ['unshare', '--net'])
    await eventually('it has its own namespace', async () => {
      const [own, other] = await Promise.all(['self', stranger.pid].map(readNamespace))
      return own !== other
    })
    await expect(monitor.run(request(stranger.pid))).rejects.toThrow(/network namespace net:\[\d+\]/)
    await stranger.stop()
    await expect(monitor.run(request(stranger.pid))).rejects.toThrow(/no such process/)
    await expect(monitor.run({ ...request(process.pid), ports: [{ first: 0, last: 0 }] })).rejects.toThrow(
      /port/,
    )
    expect(handler.events).toEqual([])
  })

  it('enforces again after a restart what still runs, and clears away the rest', async () => {
    const [alive, dead] = [waiting('sleep 60'), waiting('true')]
    const survivor = await monitor.run(request(alive.pid))
    const ended = await monitor.run(request(dead.pid))
    const runtime = handler.runtimes.get(survivor.contextID)
    await monitor.stop()
    expect(handler.events.some(event => event.startsWith('stop'))).toBe(false)
    await dead.stop()
    await restart()
    expect(handler.events).toEqual([`start ${survivor.contextID}`])
    expect(monitor.list()).toEqual([{ contextID: survivor.contextID, runtime }])
    expect(await cgroups()).toEqual([survivor.contextID])
    expect(await contexts()).toEqual([`${survivor.contextID}.json`])
    expect(existsSync(cgroup(ended.contextID))).toBe(false)
    await alive.stop()
    await nothingLeft()
    expect(handler.eventsOf(survivor.contextID)).toEqual(['start', 'stop', 'destroy'])
  })

  it('goes on denying a process whose context cannot be read', async () => {
    const child = waiting('true')
    const { contextID } = await monitor.run(request(child.pid))
    await monitor.stop()
    await writeFile(join(stateDir, 'pus', `${contextID}.json`), '{"version":1')
    await restart()
    expect(problems).toMatchObject([{ kind: 'context-unreadable', contextID }])
    expect(handler.eventsOf(contextID)).toEqual(['start'])
    expect(handler.runtimes.get(contextID)).toMatchObject({ tags: [], ports: [] })
    expect(await hierarchy.matches(handler.runtimes.get(contextID)!.isolation, cgroup(contextID))).toBe(true)
  })

  it('reports a PU that cannot be enforced again, and keeps its state', async () => {
    const child = waiting('true')
    const { contextID } = await monitor.run(request(child.pid))
    await monitor.stop()
    handler.onEvent = () => {
      throw new Error('no policy')
    }
    monitor = await startMonitor()
    expect(problems).toMatchObject([{ kind: 'not-enforced', contextID }])
    expect(monitor.list()).toEqual([])
    expect(await cgroups()).toEqual([contextID])
    await restart()
    expect(monitor.list()).toHaveLength(1)
  })

  it('uninstalls: processes go back, cgroups and state are gone', async () => {
    const child = waiting('true')
    const before = await child.cgroups()
    const { contextID } = await monitor.run(request(child.pid))
    expect(await child.cgroups()).not.toBe(before)
    await monitor.uninstall()
    expect(await child.cgroups()).toBe(before)
    expect(handler.eventsOf(contextID)).toEqual(['create', 'start', 'stop', 'destroy'])
    expect(existsSync(join(cgroupRoot, `trireme-${name}`))).toBe(false)
    expect(existsSync(join(stateDir, 'pus'))).toBe(false)
    await expect(monitor.run(request(child.pid))).rejects.toMatchObject({ code: 'ERR_NOT_STARTED' })
  })

  it('uninstalls what a monitor of another process left', async () => {
    const child = waiting('true')
    const before = await child.cgroups()
    await monitor.run(request(child.pid))
    await monitor.stop()
    await newMonitor().uninstall()
    expect(await child.cgroups()).toBe(before)
    expect(existsSync(join(cgroupRoot, `trireme-${name}`))).toBe(false)
  })

  it('lets a user have so many PUs at a time, and none of a process in another monitor’s', async () => {
    const folder = join(await cgroup2Folder(), uniqueName('container'))
    await mkdir(folder)
    teardown.add(() => removeCgroup(folder))
    const path = basename(folder)
    const runtime = { ...testRuntime(), isolation: { by: 'cgroup-path', path } as const }
    await monitor.stop()
    const limited = linuxCgroupMonitor({ stateDir, name, cgroupRoot, pollMs: 100, maxPUsPerUser: 1 })({
      handler,
      puInfos: () => [{ contextID: 'container', runtime, policy: testPolicy() }],
    })
    teardown.own(limited)
    await limited.start()
    const [captive, first, second] = [waiting('cat'), waiting('cat'), waiting('cat')]
    await writeFile(join(folder, 'cgroup.procs'), String(captive.pid))
    const start = (pid: number, uid: number) => {
      const event = {
        event: 'start',
        type: 'linux-process',
        pid,
        tags: TAGS,
        ports: [],
        options: {},
      } as const
      return limited.handleRequest({ ...event, discoverPorts: false }, { uid })
    }
    await expect(start(captive.pid, 1000)).rejects.toThrow('belongs to PU container, which user 1000 did not')
    const { contextID } = await start(first.pid, 1000)
    await expect(start(second.pid, 1000)).rejects.toThrow('user 1000 has 1 PUs')
    await start(second.pid, 0)
    await limited.handleRequest(
      { event: 'destroy', type: 'linux-process', contextID, tags: [], ports: [], options: {} },
      { uid: 1000 },
    )
    await start(first.pid, 1000)
  })

  it('keeps 40 short-lived PUs apart, 20 at a time', async () => {
    const isolations = new Set<string>()
    const one = async () => {
      const child = waiting('cat /proc/self/cgroup')
      const { contextID } = await monitor.run(request(child.pid))
      isolations.add(JSON.stringify(handler.runtimes.get(contextID)!.isolation))
      child.go()
      expect(await child.output()).toContain(contextID)
    }
    const lane = async () => {
      await one()
      await one()
    }
    await Promise.all(Array.from({ length: 20 }, lane))
    expect(isolations.size).toBe(40)
    await nothingLeft()
    expect(handler.events.filter(event => event.startsWith('destroy'))).toHaveLength(40)
    expect(problems).toEqual([])
  })
})

function readNamespace(pid: number | string): Promise<string> {
  return readlink(`/proc/${pid}/ns/net`)
}
