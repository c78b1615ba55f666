/**
 * Contracts, policy semantics, handshake and orchestration of Trireme.
 *
 * ```ts
 * import { DENY_ALL, isReservedTagKey, newTrireme, type PolicyResolver } from '@trireme/core'
 * import { newTestIsolator, testRuntime } from '@trireme/core/testing'
 *
 * const resolver: PolicyResolver = {
 *   resolvePolicy: (contextID, runtime) => ({
 *     ...DENY_ALL,
 *     managementID: contextID,
 *     identity: runtime.tags.filter(tag => !isReservedTagKey(tag.key)),
 *     receiverRules: [
 *       {
 *         name: 'from-frontend',
 *         action: 'accept',
 *         clauses: [{ key: 'app', operator: '=', values: ['frontend'] }],
 *       },
 *     ],
 *   }),
 *   handlePUEvent: (contextID, event) => console.log(contextID, event),
 * }
 *
 * const isolators = { 'linux-process': newTestIsolator() }
 * const trireme = newTrireme({ serverID: 'host-a', resolver, isolators })
 * await trireme.start()
 * trireme.setPURuntime('web', testRuntime())
 * await trireme.handlePUEvent('web', 'start')
 * await trireme.stop()
 * ```
 *
 * @module
 */

export { type ACL, ACL_TIERS, type ACLTier, compileACL, type PacketProtocol, tierOf } from './acl.js'
export { formatAddress, isMappedAddress, parseAddress } from './address.js'
export { parseAlias } from './alias.js'
export { assertMethods, assertObject, assertText, assertWord } from './check-arguments.js'
export { checkPolicy } from './check-policy.js'
export { checkNodeOptions } from './check-trireme-options.js'
export { type CIDR, formatCIDR, parseCIDR } from './cidr.js'
export { type Clock, systemClock } from './clock.js'
export { withoutClosedPorts } from './closed-ports.js'
export { collectors, noCollector } from './collector.js'
export {
  type AggregatingCollector,
  type AggregatingCollectorOptions,
  aggregatingCollector,
} from './collector-aggregating.js'
export { type AddressDecision, decideAddress } from './decide-address.js'
export { decideIdentity, describeDenial, type IdentityDecision } from './decide-identity.js'
export { KernelError, type KernelErrorFacts, runAll, TriremeError, type TriremeErrorCode } from './errors.js'
export type {
  DropReason,
  FlowEndpoint,
  FlowReason,
  FlowRecord,
  PURecord,
  PURecordEvent,
  RepeatedRefusal,
} from './flow.js'
export { Handshake, type HandshakeOptions } from './handshake/handshake.js'
export { HandshakeSet, type HandshakeSetOptions } from './handshake/handshake-set.js'
export {
  clientMAC,
  deriveHandshakeKeys,
  type EphemeralKey,
  ephemeralKeyFrom,
  generateEphemeralKey,
  type HandshakeKeys,
  type KeyScheduleInput,
  macEquals,
  serverMAC,
  sha256,
  transcriptHash,
} from './handshake/key-schedule.js'
export {
  ACK_OVERLAY_BYTES,
  type AckOverlay,
  ackHeader,
  encodeAck,
  encodeSyn,
  encodeSynAck,
  MAC_BYTES,
  MAX_OVERLAY_BYTES,
  MAX_RECORD_BYTES,
  parseAck,
  parseSyn,
  parseSynAck,
  type Suite,
  type SynAckOverlay,
  type SynOverlay,
  signedPart,
  suite,
} from './handshake/overlay.js'
export { type OwnRecord, RECORD_LIFE_S, RECORD_RENEWAL_MS } from './handshake/record-issuer.js'
export { CLOCK_LEEWAY_S, MAX_RECORD_LIFE_S, type PeerRecord } from './handshake/record-verifier.js'
export { TwoGenerationMap } from './handshake/two-generation-map.js'
export { formatKernelDecision, type KernelDecision, parseKernelDecision } from './kernel-log.js'
export { KeyedQueue } from './keyed-queue.js'
export {
  CONNECTION_MARK_MASK,
  connectionMark,
  DECIDED_BIT,
  EPOCH_COUNT,
  epochDifference,
  epochOfMark,
  type FilterQueue,
  type FlowState,
  foreignMark,
  HOSTS_OWN_MARK,
  KEY_COUNT,
  KEY_MASK,
  keyField,
  type MarkCommands,
  PACKET_MARK_MASK,
  QUEUE_BLOCK_COUNT,
  QUEUE_BLOCK_SIZE,
  refuseCommand,
  STATE_MASK,
  setStateCommand,
  stateMark,
  stateOfMark,
} from './marks.js'
export type { NameServersOf } from './name-server-watch.js'
export { EMBEDDED_RESOLVER, nameServers, readNameServers } from './name-servers.js'
export { type CompiledNetworks, compileNetworks } from './network-trie.js'
export { DEFAULT_TRIREME_NETWORKS, type FailsafePort, type Networks } from './networks.js'
export { peerTags } from './peer-tags.js'
export type {
  AuthMode,
  Enforcement,
  Enforcer,
  EventCollector,
  Factory,
  Isolator,
  Isolators,
  Lifecycle,
  Monitor,
  PacketProcessor,
  PolicyResolver,
  PolicyUpdater,
  ProcessingUnitsHandler,
  ProcessorOutcome,
  ProcessorPacket,
  PUInfo,
  PublicKeyAdder,
  RecordClaims,
  RecordSigner,
  RecordUse,
  RecordVerifier,
  SecretSuite,
  Secrets,
  Supervisor,
  SynchronizationHandler,
  TokenEngine,
  VerifiedRecord,
} from './plugin.js'
export {
  DENY_ALL,
  type DenyWith,
  type EnforcementMode,
  type IPRule,
  type KeyValueOperator,
  type Operator,
  type Protocol,
  type PUPolicy,
  type RuleAction,
  type TagSelector,
} from './policy.js'
export { prefixWarnings } from './prefix-warnings.js'
export type { Isolation, PortRange, PUEvent, PUInterface, PUKind, PURuntime } from './pu.js'
export type { PUCaller, PURequest, PURequestProcessor } from './pu-request.js'
export { formatClause } from './rule-clause.js'
export { type CarriedTags, compileRules, type NearestRule, type RuleMatch, type RuleSet } from './rule-set.js'
export {
  type CompactPKIMaterial,
  type CompactPKISecrets,
  type CompactPKISecretsOptions,
  compactPKISecrets,
} from './secrets/compact-pki.js'
export type { VouchedSecrets } from './secrets/credential-secrets.js'
export { hkdfExpand, hkdfExtract } from './secrets/hkdf.js'
export { ES256_SIGNATURE_BYTES, isLowS, toLowS } from './secrets/low-s.js'
export { NODE_KEY_USAGE } from './secrets/node-key-usage.js'
export { type NullSecretsOptions, nullSecrets } from './secrets/null.js'
export { compressedP256SPKI, p256Fault, p256KeyID } from './secrets/p256-key.js'
export { formatPEM, type PEMBlock, pemBlocks } from './secrets/pem.js'
export { type PKIMaterial, type PKISecrets, type PKISecretsOptions, pkiSecrets } from './secrets/pki.js'
export { type PrepopulatedPKISecrets, prepopulatedPKISecrets } from './secrets/prepopulated-pki.js'
export { MIN_PSK_BYTES, type PSKSecrets, type PSKSecretsOptions, pskSecrets } from './secrets/psk.js'
export {
  canonicalTags,
  EPHEMERAL_KEY_BYTES,
  MAX_ISSUER_BYTES,
  recordClaimsFault,
} from './secrets/record-claims.js'
export {
  type ReadStatement,
  readStatement,
  STATEMENT_LABEL,
  type Statement,
  signStatement,
} from './secrets/statement.js'
export { compileSelectors, type SelectorSet } from './selector-set.js'
export { readableTags, type SeenTag, type SeenTags } from './short-tag-reader.js'
export {
  prefixClauses,
  SHORT_TAG_BYTES,
  type ShortTags,
  shortenKey,
  shortenTag,
  shortenTags,
} from './short-tags.js'
export {
  formatTag,
  ISSUER_TAG,
  isReservedTagKey,
  PORT_TAG,
  parseTag,
  RESERVED_TAG_PREFIXES,
  type Tag,
  type Tags,
} from './tags.js'
export { newTrireme } from './trireme.js'
export type { Trireme, TriremeOptions } from './trireme-contract.js'
