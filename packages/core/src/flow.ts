import type { PacketProtocol } from './acl.js'
import type { PUEvent } from './pu.js'
import type { Tags } from './tags.js'

/** Why a packet or a connection was not let through. One word per idea, in records, counters and documentation alike. */
export type DropReason =
  /** A rule rejected the peer, or none accepted it. */
  | 'policy'
  /** Not a well-formed IP, TCP or overlay packet. */
  | 'format'
  /** No room for the overlay's four option bytes. */
  | 'options'
  | 'version'
  /** The peer authenticates with another kind of secret. */
  | 'mode'
  /** The peer encodes identities in another way. */
  | 'encoding'
  /** The peer's record does not verify. */
  | 'token'
  /** The record's validity window does not hold now, within the leeway. */
  | 'clock'
  /** A MAC over the handshake does not verify. */
  | 'mac'
  /** The SYN was dialled to an address that is not the receiver's: relayed or reflected. */
  | 'misdirected'
  /** The socket that would have taken the connection is no process's of the PU: of no PU's, or of another's. */
  | 'foreign-listener'
  /** Nobody listens at the port: the kernel refused, not a rule. */
  | 'no-listener'
  | 'replay'
  /** The packet does not fit the state of its flow. */
  | 'state'
  /** A packet of a flow that began before enforcement, or whose handshake was forgotten. */
  | 'mid-stream'
  /** A peer inside the trireme networks showed no identity. */
  | 'stripped-or-unenforced'
  /** A bounded table or queue was full. */
  | 'overload'
  /** A token engine did not answer in time. */
  | 'timeout'
  /** The PU is not, or no longer, enforced. */
  | 'context'
  /** A packet processor of the user's said no, or failed. */
  | 'processor'
  /** The other end refused. */
  | 'refused'
  /** A defect of the enforcer: the packet was dropped, nothing else happened. */
  | 'internal'

/**
 * Why a flow was decided as it was; empty where a rule accepted it. `adopted`: it began before the PU was enforced. `unanswered`: the
 * PU's kernel has sent the SYN again, and nothing has come back; an answer may still come.
 */
export type FlowReason = DropReason | 'adopted' | 'unanswered' | ''

/** One end of a flow as a record shows it. */
export interface FlowEndpoint {
  /** The PU's ID, or the empty string for a peer without identity. */
  readonly id: string
  readonly ip: string
  readonly port: number
  /** Of tags that travelled shortened, those that the deciding rules list. */
  readonly tags: Tags
  /** How many more tags travelled shortened. Absent where all travelled in full. */
  readonly unreadTags?: number
}

/** What one end decided about one connection, or about `count` identical ones. */
export interface FlowRecord {
  /** ISO 8601, UTC. */
  readonly time: string
  /** Equal at both ends: the first 16 bytes of SHA-256 over the SYN's overlay, in hex; local and random where there was none. */
  readonly id: string
  readonly source: FlowEndpoint
  readonly destination: FlowEndpoint
  /** Absent for TCP. The ports of what has none are 0. */
  readonly protocol?: Exclude<PacketProtocol, 'tcp'>
  readonly verdict: 'accept' | 'reject'
  readonly reason: FlowReason
  /** The deciding rule, or `default deny`, with the nearest rule and what it lacked where there was one. */
  readonly rule: string
  /** Would have been denied, and passed because of observe mode. */
  readonly observed: boolean
  /** The rule that would have denied what `rule` accepts, if it did not only observe. */
  readonly wouldReject?: string
  /** A sentence for people: what is likely behind the reason. */
  readonly hint?: string
  /** Where rejects of one peer come faster than records are made, a record counts those of the peer that were left out before it. */
  readonly count: number
}

/** A peer and a PU between which connections were refused, for whoever looks for what goes wrong again and again. */
export interface RepeatedRefusal {
  /** The PU's context ID. */
  readonly contextID: string
  /** `client`: the PU connects to the peer. */
  readonly role: 'client' | 'server'
  /** The peer's. */
  readonly address: string
  /** Server ID of the peer's node, or the empty string where it has proved none. */
  readonly issuer: string
  readonly reason: FlowReason
  /** How often since `first`. */
  readonly count: number
  /** ISO 8601, UTC. */
  readonly first: string
  /** ISO 8601, UTC. */
  readonly last: string
}

/** What happened to a PU. `forcestop`: its activation failed. `ignore`: its policy is to allow all. */
export type PURecordEvent = PUEvent | 'update' | 'delete' | 'forcestop' | 'ignore' | 'unknown'

export interface PURecord {
  /** ISO 8601, UTC. */
  readonly time: string
  readonly contextID: string
  readonly event: PURecordEvent
  readonly tags: Tags
  /** Why, where the event is a failure. */
  readonly reason?: string
  /** Sentences for people: where the policy in force may not do what its author expects. */
  readonly warnings?: readonly string[]
}
