/** What becomes of the connections that a network namespace has when it becomes a PU. */
import { DENY_ALL, type FlowRecord, type PUInfo, pskSecrets } from '@trireme/core'
import { nfqEnforcer } from '@trireme/enforcer-nfq'
import { iptablesSupervisor } from '@trireme/supervisor-iptables'
import { binaryTokens } from '@trireme/tokens-binary'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../harness/eventually.js'
import { ADDRESSES, Lab, type Talker } from '../supervisor/lab.js'
import { MATRIX, PORT } from '../supervisor/scene.js'

describe.each(MATRIX)('adoption, backend $backend, $family', { timeout: 60_000 }, ({ backend, family }) => {
  const [host, peer] = ADDRESSES[family].outside
  let lab: Lab
  let undo: (() => Promise<void>)[] = []

  beforeAll(async () => {
    lab = await Lab.open(`adopt-${backend}-${family}`)
  })
  afterEach(async () => {
    for (const step of undo.splice(0)) await step()
    await lab.hush()
    await lab.run('host', 'conntrack', '-F')
  })
  afterAll(() => lab.close())

  it('lets what there was go on without the loss of a byte, and nothing else', async () => {
    await lab.talk({ on: 'host' }, 'serve', host, String(PORT))
    await lab.talk({ on: 'peer' }, 'serve', peer, String(PORT))
    const streams = [
      await lab.talk({ on: 'peer' }, 'stream', host, String(PORT)),
      await lab.talk({ on: 'host' }, 'stream', peer, String(PORT)),
    ]
    const flows = await enforce('keep')
    await eventually('both are adopted', () => flows.filter(isAdopted).length === 2)
    expect(flows.filter(isAdopted).map(({ verdict }) => verdict)).toEqual(['accept', 'accept'])
    await lab.ask({ on: 'peer' }, 'segment', peer, host, String(PORT))
    await eventually('the forged segment is refused', () =>
      flows.find(({ source, reason }) => source.port === 40_001 && reason === 'mid-stream'),
    )
    const before = await Promise.all(streams.map(stop))
    expect(before.map(result => typeof result)).toEqual(['number', 'number'])
    const marked = [...(await conntrack()).matchAll(/sport=(\d+) .* mark=([1-9]\d*)/g)]
    expect(marked.map(([, port]) => port)).not.toContain('40001')
    expect(marked.length).toBe(2)
    expect((await lab.ask({ on: 'peer' }, 'tcp', host, String(PORT))).result).toBe('ECONNREFUSED')
  })

  it('ends what there was where it is to be reset', async () => {
    await lab.talk({ on: 'host' }, 'serve', host, String(PORT))
    const stream = await lab.talk({ on: 'peer' }, 'stream', host, String(PORT))
    const flows = await enforce('reset')
    await eventually('it is reset', () => stream.lines.length > 1)
    expect(stream.lines[1]).toMatchObject({ result: 'ECONNRESET' })
    expect(flows.filter(isAdopted)).toEqual([])
  })

  async function enforce(adopt: 'keep' | 'reset'): Promise<readonly FlowRecord[]> {
    const flows: FlowRecord[] = []
    const secrets = pskSecrets({ key: new Uint8Array(32) })
    const networks = { trireme: ['10.0.0.0/8', 'fd00::/8'], excluded: [] }
    const enforcer = nfqEnforcer({ namespaces: 'per-pu', adopt })({
      serverID: 'adoption',
      ...{ secrets, tokenEngine: binaryTokens()({ secrets }), networks },
      collector: { collectFlowEvent: flow => void flows.push(flow), collectPUEvent() {} },
    })
    const filterQueue = () => enforcer.filterQueue()
    const supervisor = iptablesSupervisor({ backend, namespaces: 'per-pu' })({
      ...{ serverID: 'adoption', filterQueue, networks },
    })
    undo = [() => supervisor.uninstall(), () => supervisor.stop(), () => enforcer.stop()]
    await enforcer.start()
    await supervisor.start()
    await supervisor.supervise(pu(), await enforcer.enforce(pu()))
    return flows
  }

  function pu(): PUInfo {
    const isolation = { by: 'netns', path: lab.netns('host') } as const
    const runtime = { kind: 'container', name: 'pu', tags: [], ports: [], isolation } as const
    return { contextID: 'pu', runtime, policy: DENY_ALL }
  }

  function conntrack(): Promise<string> {
    const kind = family === 'IPv4' ? 'ipv4' : 'ipv6'
    return lab.run('host', 'conntrack', '-L', '-p', 'tcp', '-f', kind)
  }
})

function isAdopted({ reason }: FlowRecord): boolean {
  return reason === 'adopted'
}

/** How many numbers came back, each as it was sent. */
async function stop(stream: Talker): Promise<unknown> {
  stream.tell('stop')
  await eventually('the stream says how it went', () => stream.lines.length > 1)
  return (stream.lines[1] as { result: unknown }).result
}
