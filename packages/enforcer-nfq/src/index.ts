export type { Connection, Connections, ConnectionsOptions, ListedSocket } from './connections.js'
export { type FlowJournal, inMemoryFlowJournal } from './flow-journal.js'
export type { KernelQueue } from './kernel-queues.js'
export type { ConnectedSocket } from './netlink/sock-diag.js'
export { nfqEnforcer } from './nfq-enforcer.js'
export type {
  NfqEnforcer,
  NfqEnforcerComponents,
  NfqEnforcerOptions,
  NfqEnforcerStats,
} from './nfq-enforcer-options.js'
export type { PacketQueue, PacketQueueOptions, PacketQueueStats, QueuedPacket } from './queue.js'
