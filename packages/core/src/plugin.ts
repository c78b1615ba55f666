/** The contracts between core and its plugins. Read this file and you have read the architecture. */

import type { KeyObject } from 'node:crypto'
import type { DropReason, FlowRecord, PURecord, RepeatedRefusal } from './flow.js'
import type { FilterQueue } from './marks.js'
import type { PUPolicy } from './policy.js'
import type { PUEvent, PUKind, PURuntime } from './pu.js'
import type { ShortTags } from './short-tags.js'
import type { Tags } from './tags.js'

/** What every part that runs has. `stop` is idempotent; a `start` that fails takes down what it began. */
export interface Lifecycle {
  start(): Promise<void>
  stop(): Promise<void>
}

/** Reports PUs to a `ProcessingUnitsHandler`, in order per PU. */
export interface Monitor extends Lifecycle {}

/** What a monitor calls; `newTrireme` implements it. */
export interface ProcessingUnitsHandler {
  /** Must precede the PU's `start`. Replaces what was known. */
  setPURuntime(contextID: string, runtime: PURuntime): void
  /**
   * Resolves when the event has taken effect. A `start` that rejects has left nothing behind, and the PU must not run.
   * Events of one PU take effect in the order of the calls.
   */
  handlePUEvent(contextID: string, event: PUEvent): Promise<void>
}

/** What a monitor found when it started, for those who compare it with what they remember. */
export interface SynchronizationHandler {
  handleSynchronization(
    contextID: string,
    state: 'started' | 'paused' | 'stopped',
    runtime: PURuntime,
  ): Promise<void>
  handleSynchronizationComplete(): void
}

/** The user's own code: answers with the policy of a PU. */
export interface PolicyResolver {
  /** Called at every start. Rejecting refuses the PU. */
  resolvePolicy(contextID: string, runtime: PURuntime): PUPolicy | Promise<PUPolicy>
  /** Called for every event, before it takes effect. */
  handlePUEvent(contextID: string, event: PUEvent): void
}

/** How a resolver pushes a change for a PU that runs already. */
export interface PolicyUpdater {
  /** Replaces the policy as a whole; `allow-all` takes enforcement down. */
  updatePolicy(contextID: string, policy: PUPolicy): Promise<void>
}

/** A PU and all that decides over it. */
export interface PUInfo {
  readonly contextID: string
  readonly runtime: PURuntime
  readonly policy: PUPolicy
}

/** Where the enforcer waits for the packets of one PU. */
export interface Enforcement {
  /** New connections of the PU, either direction. */
  readonly queueNumber: number
  /**
   * Whether all segments of TCP connections that no rule knows go there: the PU may have connections to adopt. Default false: so many a
   * second as show which connections have lost their entry.
   */
  readonly adopts?: boolean
  /**
   * The epoch, 0 to 15, into which the rules of the PU's network namespace put connections from now on. Connections of another
   * epoch are brought to the flow queue: a change of policy may have revoked them. Of two, the one that is up to 8 ahead is the later.
   */
  readonly epoch: number
  /** Sentences for people: where the policy may not do what its author expects. */
  readonly warnings?: readonly string[]
}

/** Decides on packets. */
export interface Enforcer extends Lifecycle {
  /** Valid between `start` and `stop`. */
  filterQueue(): FilterQueue
  /** Creates or replaces. Resolves when the queue is bound and the policy decides: rules may point at it from then on. */
  enforce(pu: PUInfo): Promise<Enforcement>
  /** Idempotent. */
  unenforce(contextID: string): Promise<void>
  /**
   * The CIDRs in which peers are expected to carry an identity: elsewhere rules over addresses decide. Connections that a PU has made to
   * where nobody carries one now end, unless these rules allow them; others that are decided stay so. Set here before in the rules; between the two either decides by the old networks or by the new.
   * @throws TriremeError `ERR_CONFIG` for a text that is no CIDR, and changes nothing.
   */
  setTargetNetworks(networks: readonly string[]): Promise<void>
  /** Counters of a PU since it was enforced: packets and flows by outcome and drop reason. */
  counters(contextID: string): Readonly<Record<string, number>>
  /**
   * Peers and PUs between which connections were refused or not answered, the most frequent first: the latest 1,024 of peers with an
   * identity or that PUs connect to, and as many of others that connect to PUs. Each names a reason; those that `count` more than
   * once deserve a look.
   */
  repeatedRefusals?(): readonly RepeatedRefusal[]
  /**
   * Replaces all that identities are proved with. The first suite is that of connections which PUs open; each SYN is answered in
   * its own suite, if that is among these. Every PU has its record in the new suites before the first of them is used, and what is
   * not among them is refused when this resolves, handshakes under way included. Changes nothing where it rejects.
   * @throws TriremeError `ERR_SECRET` for no suite, two of one mode and encoding, null beside another, or a key that is not this
   * node's; `ERR_IDENTITY_TOO_LARGE` for a PU whose record does not fit in one of them.
   */
  updateSecrets?(suites: readonly SecretSuite[]): Promise<void>
}

/** A packet as a packet processor sees it: good only during the call. */
export interface ProcessorPacket {
  /** The PU whose packet it is; undefined where its connection is not known. */
  readonly contextID: string | undefined
  /** The whole IP packet as it came from the kernel: on the net side with the overlay still on. Not to be written to. */
  readonly bytes: Uint8Array
}

/** What became of a packet, and of whose connection it is. */
export interface ProcessorOutcome {
  readonly verdict: 'accept' | 'reject'
  /** The peer, once its record has verified. */
  readonly peer?: { readonly id: string; readonly tags: Tags }
}

/**
 * A step of the user's own before and after the decision over a packet. It sees the packets that reach user space: those of
 * handshakes, and whatever else the kernel cannot decide; what established connections carry never comes by. It may veto, and
 * cannot change a packet or turn a refusal around. Synchronous, on the packet path: whoever has to wait, drops.
 *
 * Each method answers whether the packet may pass. One that throws drops the packet, counted as `processor`.
 */
export interface PacketProcessor {
  /** The packet leaves a PU. */
  preProcessTCPAppPacket?(packet: ProcessorPacket): boolean
  postProcessTCPAppPacket?(packet: ProcessorPacket, outcome: ProcessorOutcome): boolean
  /** The packet is about to enter a PU. */
  preProcessTCPNetPacket?(packet: ProcessorPacket): boolean
  postProcessTCPNetPacket?(packet: ProcessorPacket, outcome: ProcessorOutcome): boolean
}

/** Traps packets: brings them from the kernel to the enforcer's queues, and lets the kernel decide what it can alone. */
export interface Supervisor extends Lifecycle {
  /** Creates or replaces, atomically: a failed change leaves what was. */
  supervise(pu: PUInfo, enforcement: Enforcement): Promise<void>
  /** Idempotent. */
  unsupervise(contextID: string): Promise<void>
  /** The CIDRs in which peers are expected to carry an identity. */
  setTargetNetworks(networks: readonly string[]): Promise<void>
  /**
   * What an earlier process left behind for PUs that were not supervised again is taken away. Until then it stays and denies.
   * Called once, when all monitors have reported what is running.
   */
  reconcile(): Promise<void>
  /** Takes away everything that Trireme ever made. */
  uninstall(): Promise<void>
}

/** The enforcer and the supervisor of one kind of PU. */
export interface Isolator {
  readonly enforcer: Enforcer
  readonly supervisor: Supervisor
}

/** Hears what happened. Fire and forget: it must not throw, and nobody waits for it. */
export interface EventCollector {
  collectFlowEvent(record: FlowRecord): void
  collectPUEvent(record: PURecord): void
}

/** A PU's identity as the wire carries it, before it is signed. */
export interface RecordClaims {
  /** The server ID of the node. */
  readonly issuer: string
  readonly puID: string
  readonly tags: Tags
  /** X25519 public key, 32 bytes. */
  readonly ephemeralKey: Uint8Array
  /** Seconds since 1970. */
  readonly notBefore: number
  /** Seconds since 1970. */
  readonly notAfter: number
}

/** A peer's identity whose signature holds. */
export interface VerifiedRecord extends RecordClaims {
  /** Names the secret that vouched for it. */
  readonly keyID: string
  /** Seconds since 1970: until when the signer itself is good. */
  readonly signerNotAfter: number
  /** Where the encoding shortened the tags to make them fit; `tags` is empty then. */
  readonly shortTags?: ShortTags
}

/**
 * How a record is encoded and signed, and nothing else: overlay, transcript, MACs, lifetimes and reserved tags are core's.
 * Either method may answer with a promise; verified records are cached, so that costs one held packet per record.
 */
export interface TokenEngine {
  /** `binary`, `jwt` or a name of the author's, of printable ASCII without spaces. */
  readonly encoding: string
  /** The encoding's number in the overlay header, 1 to 15; 8 and above are free for other authors. */
  readonly encodingCode: number
  /** Tags that are too many to travel in full travel shortened, so that no prefix rule can match them. Default false. */
  readonly shortensTags?: boolean
  /** The record's bytes, signed with what `secrets.signer` gives. */
  issue(claims: RecordClaims): Uint8Array | Promise<Uint8Array>
  /**
   * The claims of a record whose every byte is accounted for and whose signature holds, or why not.
   * Never throws for what the bytes say, and never keeps a reference to them.
   */
  verify(record: Uint8Array): VerifiedRecord | DropReason | Promise<VerifiedRecord | DropReason>
  /**
   * The issuer that a record names, before anything of it is verified; undefined for what is no record. At once, and without
   * cryptography: by it floods of records are told apart before a signature is checked. Never throws.
   */
  issuerOf?(record: Uint8Array): string | undefined
}

export type AuthMode = 'psk' | 'pki' | 'pki-prepopulated' | 'compact-pki' | 'null'

/** The purpose of a signature: keys differ for each. */
export interface RecordUse {
  readonly issuer: string
  readonly encoding: string
}

/** The key that signs records now. */
export interface RecordSigner {
  readonly algorithm: 'HS256' | 'ES256' | 'none'
  readonly keyID: string
  /** Secret key for `HS256`, private key for `ES256`, absent for `none`. */
  readonly key?: KeyObject
  /** Travels in the record for the peer's `verifier`: a certificate or a statement. */
  readonly credential?: Uint8Array
}

/** The key that checks a peer's record. */
export interface RecordVerifier {
  readonly algorithm: 'HS256' | 'ES256' | 'none'
  readonly key?: KeyObject
  /** Seconds since 1970: until when the key is good. */
  readonly notAfter: number
}

/** What a node proves its identities with, and what it accepts from others. Several keys may be good at once. */
export interface Secrets {
  readonly mode: AuthMode
  signer(use: RecordUse): RecordSigner
  /** The key by which a record of this issuer and key ID is checked, or why there is none. */
  verifier(
    use: RecordUse & { readonly keyID: string; readonly credential?: Uint8Array },
  ): RecordVerifier | DropReason
  /** 32 bytes that the key schedule mixes in, by the key ID of the client's record; absent where the mode has none. */
  sessionSecret(keyID: string): Uint8Array | undefined
  /** Adds and removes keys; what a removed key vouched for is refused from then on. Returns how to stop listening. */
  onChange(listener: () => void): () => void
}

/** One way to prove identities: secrets, and the engine that encodes records and signs and verifies them with these. */
export interface SecretSuite {
  readonly secrets: Secrets
  readonly tokenEngine: TokenEngine
}

/** Adds peers' certificates where they do not travel on the wire. */
export interface PublicKeyAdder {
  /** @throws TriremeError `ERR_SECRET` where the certificate does not verify or is not `host`'s. */
  publicKeyAdd(host: string, certPEM: string): void
  publicKeyRemove(host: string): void
}

/** The PU kinds and what isolates them. */
export type Isolators = Partial<Readonly<Record<PUKind, Isolator>>>

/** How every plugin is made: `plugin(options)(components)`. Options are the user's, components the host's. Makes, does not start. */
export type Factory<Components, Part> = (components: Components) => Part
