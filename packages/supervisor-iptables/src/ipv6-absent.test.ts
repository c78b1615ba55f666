import { afterEach, beforeEach, expect, it } from 'vitest'
import { chainNames } from './chain-names.js'
import { IptablesInMemory } from './iptables-in-memory.js'
import { type RulesDisturbance, supervisorOver } from './iptables-supervisor.js'
import type { NamespaceSupervisor } from './namespaces-supervisor.js'
import { FILTER_QUEUE, testPU } from './pu-fixture.js'

const names = chainNames('host-a')

let programs: IptablesInMemory
let supervisor: NamespaceSupervisor
let found: RulesDisturbance[]

beforeEach(async () => {
  programs = new IptablesInMemory()
  programs.hasIPv6 = false
  found = []
  supervisor = supervisorOver(
    programs,
    { checkMs: 0, onDisturbance: disturbance => void found.push(disturbance) },
    {
      serverID: 'host-a',
      filterQueue: () => FILTER_QUEUE,
      networks: { trireme: ['10.0.0.0/8', 'fd00::/8'], excluded: [] },
    },
  )
  await supervisor.start()
  await supervisor.supervise(testPU('web'), { queueNumber: 4097, epoch: 2 })
})
afterEach(() => supervisor.stop())

it('a kernel without IPv6 is enforced by IPv4 alone', async () => {
  expect(await programs.save('IPv4')).toContain(`-A INPUT -j ${names.in}`)
  expect(programs.inputs.map(({ family }) => family)).not.toContain('IPv6')
  await supervisor.uninstall()
  expect(await programs.save('IPv4')).not.toContain(names.prefix)
})

it('IPv6 that the kernel gets later is not open', async () => {
  programs.hasIPv6 = true
  await expect.poll(() => programs.save('IPv6')).toContain(`-A INPUT -j ${names.in}`)
  await expect.poll(() => found).toEqual([{ found: ['IPv6: new in this kernel'] }])
})
