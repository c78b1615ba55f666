import { describe, expect, it } from 'vitest'
import { IptablesInMemory } from './iptables-in-memory.js'
import { supervisorOver } from './iptables-supervisor.js'
import { NamespacesSupervisor } from './namespaces-supervisor.js'
import { FILTER_QUEUE, testPU } from './pu-fixture.js'

const path = '/proc/1/fd/7'

describe('target networks that are set while a PU begins', () => {
  it('are those of the PU, too', async () => {
    const programs = new IptablesInMemory()
    const networks = { trireme: ['10.0.0.0/8'], excluded: [] }
    const components = { serverID: 'host-a', filterQueue: () => FILTER_QUEUE, networks }
    const supervisor = new NamespacesSupervisor(netns => supervisorOver(programs, { netns }, components))
    await supervisor.start()
    let hasBegun = () => {}
    const begun = new Promise<void>(resolve => {
      hasBegun = resolve
    })
    let goOn = () => {}
    const held = new Promise<void>(resolve => {
      goOn = resolve
    })
    programs.gate = () => {
      hasBegun()
      return held
    }
    const pu = testPU('web', {}, { kind: 'container', isolation: { by: 'netns', path } })
    const supervised = supervisor.supervise(pu, { queueNumber: 4097, epoch: 2 })
    await begun
    await supervisor.setTargetNetworks(['172.16.0.0/12'])
    goOn()
    await supervised
    const rules = await programs.save('IPv4')
    expect(rules).toContain('-d 172.16.0.0/12 ')
    expect(rules).not.toContain('10.0.0.0/8')
  })
})
