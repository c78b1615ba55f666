import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { chainNames } from './chain-names.js'
import { FAMILIES } from './family.js'
import { IptablesInMemory } from './iptables-in-memory.js'
import {
  type IptablesSupervisorOptions,
  type RulesDisturbance,
  supervisorOver,
} from './iptables-supervisor.js'
import type { NamespaceSupervisor } from './namespaces-supervisor.js'
import { FILTER_QUEUE, testPU } from './pu-fixture.js'

const names = chainNames('host-a')
const queue = { queueNumber: 4097, epoch: 2 }

let programs: IptablesInMemory
let supervisor: NamespaceSupervisor
let found: RulesDisturbance[]

beforeEach(async () => {
  programs = new IptablesInMemory()
  found = []
  supervisor = make({ checkMs: 2 })
  await supervisor.start()
  await supervisor.supervise(testPU('web'), queue)
})
afterEach(() => supervisor.stop())

describe('what other programs do to the rules is put right, and told', () => {
  it.each([
    [
      'flush of a table',
      `:${names.in} - [0:0]\n-D INPUT -j ${names.in}`,
      ['1 chains changed', 'no jump from INPUT'],
    ],
    ['flush of a chain', `:${names.flowIn} - [0:0]`, ['1 chains changed']],
    ['rule before ours', '-I INPUT 1 -p tcp -j ACCEPT', ['rules of others first in INPUT']],
  ])('%s', async (_, lines, expected) => {
    const before = await saved()
    await programs.restore('IPv4', `*mangle\n${lines}\nCOMMIT\n`)
    await expect.poll(() => found).toEqual([{ found: expected.map(what => `IPv4 mangle: ${what}`) }])
    const after = (await saved()).replace('-A INPUT -p tcp -j ACCEPT\n', '')
    expect(after).toBe(before)
    expect(after.indexOf(`-A INPUT -j ${names.in}`)).toBeGreaterThan(0)
  })

  it('a rule of another instance before ours is no disturbance', async () => {
    const inputs = programs.inputs.length
    await programs.restore(
      'IPv4',
      `*mangle\n-I INPUT 1 -j ${chainNames('host-b').in}\nCOMMIT\n`.replace(/^/, otherChain()),
    )
    await looks(3)
    expect(found).toEqual([])
    expect(programs.inputs.length).toBe(inputs + 1)
  })

  it('what cannot be put right is told, and tried again', async () => {
    programs.refuse = (_, table) =>
      table.startsWith('mangle') && table.includes(names.in) ? 'locked' : undefined
    const refuse = programs.refuse
    programs.refuse = () => undefined
    await programs.restore('IPv4', `*mangle\n-D INPUT -j ${names.in}\nCOMMIT\n`)
    programs.refuse = refuse
    await expect.poll(() => found.length, { timeout: 10_000 }).toBeGreaterThan(1)
    expect(String(found[0]?.error)).toContain('locked')
    programs.refuse = () => undefined
    await expect.poll(() => found.at(-1), { timeout: 10_000 }).not.toHaveProperty('error')
    expect(await saved()).toContain(`-A INPUT -j ${names.in}`)
  })

  it('after stop nobody looks any more', async () => {
    await supervisor.stop()
    await programs.restore('IPv4', `*mangle\n-D INPUT -j ${names.in}\nCOMMIT\n`)
    await looks(3)
    expect(await programs.save('IPv4')).not.toContain(`-A INPUT -j ${names.in}`)
  })
})

it('what was refused and let through by others is dropped in the last table', async () => {
  expect(await programs.save('IPv4')).toContain(
    `-A ${names.drop} -m mark --mark 0x18700000/0xfff00000 -j DROP`,
  )
})

it('a kernel without the table security gets the other rules', async () => {
  await supervisor.uninstall()
  programs.refuse = (_, table) =>
    table.startsWith('security') ? "unable to initialize table 'security'" : undefined
  supervisor = make({ checkMs: 2 })
  await supervisor.start()
  await supervisor.supervise(testPU('web'), queue)
  expect(await saved()).toContain(names.reject)
  expect(await saved()).not.toContain(names.drop)
  await looks(3)
  expect(found).toEqual([])
})

function make(options: IptablesSupervisorOptions): NamespaceSupervisor {
  const networks = { trireme: ['10.0.0.0/8'], excluded: [] }
  const onDisturbance = (disturbance: RulesDisturbance) => void found.push(disturbance)
  return supervisorOver(
    programs,
    { ...options, onDisturbance },
    { serverID: 'host-a', filterQueue: () => FILTER_QUEUE, networks },
  )
}

function otherChain(): string {
  return `*mangle\n:${chainNames('host-b').in} - [0:0]\nCOMMIT\n`
}

/** Waits until the rules have been read so many times. */
async function looks(times: number): Promise<void> {
  const save = programs.save.bind(programs)
  let left = times * FAMILIES.length
  programs.save = family => {
    left--
    return save(family)
  }
  await expect
    .poll(() => left <= 0 || undefined, { timeout: 200 })
    .toBe(true)
    .catch(() => {})
  programs.save = save
}

async function saved(): Promise<string> {
  return (await Promise.all(FAMILIES.map(family => programs.save(family)))).join('')
}
