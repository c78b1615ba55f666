import type { PortRange } from './pu.js'
import type { Tags } from './tags.js'

/**
 * How a clause looks at the values of its key:
 * `=` one of them is listed, `=!` none of them is listed (so an absent key matches), `*` the key exists, `!*` it does not.
 */
export type Operator = '=' | '=!' | '*' | '!*'

/**
 * One condition on an identity. A listed value that ends in `*` is a prefix, `*` alone is any value.
 * Under `PORT_TAG` a value is a port or a range (`8080`, `8000-8099`).
 */
export interface KeyValueOperator {
  readonly key: string
  readonly operator: Operator
  /** Ignored by `*` and `!*`. */
  readonly values: readonly string[]
}

export type RuleAction = 'accept' | 'reject'

/** A rule over identities: it applies when every one of its clauses, counted separately, matches. */
export interface TagSelector {
  /** By this name the rule appears in flow records. */
  readonly name: string
  /** At least one. */
  readonly clauses: readonly KeyValueOperator[]
  readonly action: RuleAction
  /** `observe`: what the rule would reject passes and is reported as observed. Default `enforce`. */
  readonly mode?: EnforcementMode
}

export type Protocol = 'tcp' | 'udp' | 'icmp' | 'any'

/** A rule over addresses, for peers without an identity. */
export interface IPRule {
  readonly name: string
  /** CIDRs of either family, at least one. */
  readonly networks: readonly string[]
  /** Destination ports; empty means every port. Only with `tcp` and `udp`. */
  readonly ports: readonly PortRange[]
  readonly protocol: Protocol
  readonly action: RuleAction
  /** `observe`: what the rule would reject passes and is reported as observed. Default `enforce`. */
  readonly mode?: EnforcementMode
}

export type EnforcementMode = 'enforce' | 'observe'

/** How the denial of a connection looks to the one who asked for it. */
export type DenyWith = 'reset' | 'drop'

/** Everything that decides over one PU's traffic. Plain data, never changed in place. */
export interface PUPolicy {
  /** The policy's name for the PU; the ID in the PU's records. Its context ID where empty. */
  readonly managementID: string
  /** `allow-all`: the PU is not enforced at all. */
  readonly action: 'police' | 'allow-all'
  /** Signed and sent to peers. */
  readonly identity: Tags
  /** Only for flow and PU records. */
  readonly annotations: Tags
  /** Decide over identities that connect to the PU: rejects first, then accepts, else denied. */
  readonly receiverRules: readonly TagSelector[]
  /** Decide in mutual mode over identities that the PU connects to. */
  readonly transmitterRules: readonly TagSelector[]
  /** Decide over peers without identity that the PU sends to. */
  readonly applicationACLs: readonly IPRule[]
  /** Decide over peers without identity that send to the PU. */
  readonly networkACLs: readonly IPRule[]
  readonly mode: EnforcementMode
  readonly denyWith: DenyWith
  /** `allow`: the PU may ask the name servers of its resolv.conf, over UDP and TCP. Default `deny`. */
  readonly dns?: 'allow' | 'deny'
  /** Sentences for people, for the PU's records: where the policy may not do what its author expects. */
  readonly warnings?: readonly string[]
}

/** A policy that denies everything to an identity without tags: spread it and say what differs. */
export const DENY_ALL: PUPolicy = {
  managementID: '',
  action: 'police',
  identity: [],
  annotations: [],
  receiverRules: [],
  transmitterRules: [],
  applicationACLs: [],
  networkACLs: [],
  mode: 'enforce',
  denyWith: 'reset',
}
