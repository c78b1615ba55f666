import type { FilterQueue, Supervisor } from '@trireme/core'
import { iptablesSupervisor } from '@trireme/supervisor-iptables'
import type { Lab } from './lab.js'

export const BACKENDS = ['nft', 'legacy'] as const
export const SERVER_ID = 'supervisor-test'
export const FLOW_QUEUE = 4096
export const PU_QUEUE = 4097

/** Key 5, epoch 1. */
export const COMMANDS = { key: 5, epoch: 1 } as const

/**
 * A supervisor in the lab's host; 10.0.0.0/8 and fd00::/8 are trireme networks, and the loopback ones are not. It does not put
 * right what others disturb: a test may leave it behind as a killed process would.
 */
export function makeSupervisor(
  lab: Lab,
  backend: (typeof BACKENDS)[number],
  commands: FilterQueue['commands'] = COMMANDS,
): Supervisor {
  return iptablesSupervisor({ backend, netns: lab.netns('host'), checkMs: 0 })({
    serverID: SERVER_ID,
    filterQueue: () => ({ flowQueue: FLOW_QUEUE, commands }),
    networks: { trireme: ['10.0.0.0/8', 'fd00::/8'], excluded: [] },
  })
}
