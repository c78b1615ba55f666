import type { PUPolicy, PURuntime, Supervisor } from '@trireme/core'
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { FAMILIES, type Family } from '../../packages/supervisor-iptables/src/family.js'
import { testPU } from '../../packages/supervisor-iptables/src/pu-fixture.js'
import { Lab, type Place, type Talker } from './lab.js'
import { BACKENDS, COMMANDS, FLOW_QUEUE, makeSupervisor, PU_QUEUE } from './make-supervisor.js'

export const MATRIX = BACKENDS.flatMap(backend => FAMILIES.map(family => ({ backend, family })))

/** The PU's port, and everybody's default. */
export const PORT = 8080
/** A refusal is an answer, not a time-out; the bound leaves room for a slow machine. */
export const PROMPT_MS = 300
/** Verdicts of a queue reader that accepts everything. */
export const PASS_ALL = { '*': ['accept', null] }

/** A packet as a queue reader saw it. */
export interface Seen {
  readonly queue: number
  readonly mark: number
  readonly flags: string
  /** 1: INPUT, 3: OUTPUT. */
  readonly hook: number
}

/** What a queue reader has seen, after its "ready". */
export function seen(queue: Talker): readonly Seen[] {
  return queue.lines.slice(1) as Seen[]
}

/**
 * A lab for the tests of one `describe`, with a started supervisor for each of them. The PU `pu` is made of a cgroup and `PORT`.
 */
export function useScene(backend: (typeof BACKENDS)[number], family: Family) {
  let lab: Lab
  let supervisor: Supervisor
  let cgroup: string

  beforeAll(async () => {
    lab = await Lab.open(`${backend}-${family}`)
    cgroup = lab.cgroup('pu')
  })
  beforeEach(async () => {
    supervisor = makeSupervisor(lab, backend)
    await supervisor.start()
  })
  afterEach(async () => {
    await lab.hush()
    await supervisor.stop()
    await lab.run('host', 'conntrack', '-F')
    await makeSupervisor(lab, backend).uninstall()
  })
  afterAll(() => lab.close())

  return {
    lab: () => lab,
    supervisor: () => supervisor,
    cgroup: () => cgroup,
    supervise,
    serve,
    ask,
    expectRefused,
    readQueues,
    flowMarks,
  }

  async function supervise(policy: Partial<PUPolicy> = {}, runtime: Partial<PURuntime> = {}): Promise<void> {
    const isolation = { by: 'cgroup-path', path: cgroup } as const
    const pu = testPU('pu', policy, { isolation, ports: [{ first: PORT, last: PORT }], ...runtime })
    await supervisor.supervise(pu, { queueNumber: PU_QUEUE, epoch: COMMANDS.epoch })
  }

  function serve(on: 'host' | 'peer', address: string, port = PORT, within?: string): Promise<Talker> {
    return lab.talk(
      { on, ...(within === undefined ? {} : { cgroup: within }) },
      'serve',
      address,
      String(port),
    )
  }

  async function ask(place: Place, command: string, address: string, port = PORT) {
    const args = command === 'ping' ? [address] : [address, String(port)]
    return (await lab.ask(place, command, ...args)).result
  }

  async function expectRefused(place: Place, address: string, port = PORT): Promise<void> {
    const { result, ms } = await lab.ask(place, 'tcp', address, String(port))
    expect(result).toBe('ECONNREFUSED')
    expect(ms).toBeLessThan(PROMPT_MS)
  }

  function readQueues(verdicts: object): Promise<Talker> {
    const numbers = JSON.stringify([FLOW_QUEUE, PU_QUEUE])
    return lab.talk({ on: 'host' }, 'queue', numbers, JSON.stringify(verdicts))
  }

  /** The connection marks of the established connections. */
  async function flowMarks(): Promise<readonly number[]> {
    const kind = family === 'IPv4' ? 'ipv4' : 'ipv6'
    const table = await lab.run('host', 'conntrack', '-L', '-p', 'tcp', '--state', 'ESTABLISHED', '-f', kind)
    return [...table.matchAll(/ mark=(\d+) /g)].map(([, mark]) => Number(mark))
  }
}
