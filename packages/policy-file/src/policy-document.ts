import type { EnforcementMode, IPRule, KeyValueOperator, PortRange } from '@trireme/core'

/** Conditions on an identity, ANDed. Without any, every identity is selected. */
export type Selector = readonly KeyValueOperator[]

/** Who may connect to whom. Each list of selectors applies where one of them does. */
export interface PolicyRule {
  /** Unique in the document. */
  readonly name: string
  readonly to: readonly Selector[]
  readonly from: readonly Selector[]
  /** Ports of the `to` side; empty means every port. */
  readonly ports: readonly PortRange[]
  readonly action: 'allow' | 'deny'
  readonly mode: EnforcementMode
}

/** What a PU may exchange with peers that have no identity. */
export interface ExternalRule {
  readonly pu: readonly Selector[]
  /** `in`: the peer connects to the PU. */
  readonly direction: 'in' | 'out'
  /** Its name is unique in the document. */
  readonly rule: IPRule
}

/** What holds for the PUs that are selected. */
export interface PUSettings {
  readonly pu: readonly Selector[]
  /** `observe`: what would be denied to or from the PU passes, and is reported. */
  readonly mode?: EnforcementMode | undefined
  /** `allow`: the PU may ask its name servers. */
  readonly dns?: 'allow' | 'deny' | undefined
}

/** A policy file, read and checked. What no rule allows is denied. */
export interface PolicyDocument {
  readonly default: 'deny'
  readonly rules: readonly PolicyRule[]
  readonly external: readonly ExternalRule[]
  /** For PUs of which `pus` says nothing. Default `enforce`. */
  readonly mode?: EnforcementMode | undefined
  /** For PUs of which `pus` says nothing. Default `deny`. */
  readonly dns?: 'allow' | 'deny' | undefined
  /** For each setting the first that selects a PU and has it decides. */
  readonly pus?: readonly PUSettings[] | undefined
}
