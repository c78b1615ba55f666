import type { PUInterface, PURuntime } from '@trireme/core'
import { manualClock, newTestCollector } from '@trireme/core/testing'
import { afterEach, expect, it, vi } from 'vitest'
import { Processes } from './container-process.js'
import { ContainerWatch } from './container-watch.js'
import { InMemoryEngine } from './engine-in-memory.js'
import { labelExtractor } from './label-extractor.js'
import { ProcFixture } from './proc-fixture.js'

const proc = new ProcFixture()
afterEach(() => proc.remove())

it('a container by the host that has ended keeps no interface while others live in its network', async () => {
  const engine = new InMemoryEngine()
  let interfaces: readonly PUInterface[] = [{ name: 'veth1', bridge: 'br0', addresses: ['172.20.0.3'] }]
  const events: string[] = []
  let runtime: PURuntime | undefined
  const handler = {
    setPURuntime: (_: string, next: PURuntime) => {
      runtime = next
    },
    handlePUEvent: async (_: string, event: string) => void events.push(event),
  }
  const watch = new ContainerWatch(
    {
      connect: engine.connect,
      extractor: labelExtractor(),
      waitForEngine: false,
      syncAtStart: true,
      killContainerOnError: true,
      gateSocket: undefined,
      concurrency: 4,
      processes: new Processes(proc.folder),
      cutOff: async () => {},
      readInterfaces: async () => interfaces,
      onProblem: problem => expect.fail(String(problem.error)),
      clock: manualClock(),
    },
    { handler, collector: newTestCollector() },
  )
  await watch.start()
  const run = (name: string, pid: number, facts: { networkMode?: string; inNamespaceOf?: number }) => {
    const containerID = engine.create({ name, labels: {}, ...facts })
    proc.begin({ pid, containerID, ...facts })
    engine.start(containerID, pid)
    return containerID
  }
  const web = run('web', 11, {})
  await vi.waitFor(() => expect(events).toContain('start'))
  expect(runtime?.isolation).toMatchObject({ interfaces })
  run('sidecar', 12, { networkMode: `container:${web}`, inNamespaceOf: 11 })
  await vi.waitFor(() => expect(events.filter(event => event === 'create')).toHaveLength(2))
  await new Promise(resolve => setImmediate(resolve))
  interfaces = []
  proc.end(11)
  engine.die(web)
  await vi.waitFor(() => expect(runtime?.isolation).toMatchObject({ by: 'interfaces', interfaces: [] }))
  await vi.waitFor(() => expect(events.filter(event => event === 'start')).toHaveLength(2))
  expect(events).not.toContain('stop')
  await watch.stop()
})
