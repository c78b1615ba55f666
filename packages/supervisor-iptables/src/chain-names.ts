import { createHash } from 'node:crypto'

/** The chains of one instance, named after its server ID so that several instances share a namespace. At most 28 characters. */
export interface ChainNames {
  /** What all of the instance's chains, and no others, start with. */
  readonly prefix: string
  /** raw: takes the private field off every packet's mark. */
  readonly clear: string
  /** filter: answers refused packets with a reset. */
  readonly reject: string
  /** mangle: packets that enter from the network. */
  readonly in: string
  /** mangle: packets that leave an application. */
  readonly out: string
  /** mangle: TCP of flows that have a state. */
  readonly flowIn: string
  readonly flowOut: string
  /** mangle: a SYN on a flow that has a state finds its PU's queue. */
  readonly synIn: string
  readonly synOut: string
  /** security: drops what a rule of others has let through although it was refused. */
  readonly drop: string
  /** mangle: carries out a verdict's command. */
  readonly set: string
  /** mangle: SENT becomes AUTH. */
  readonly authorize: string
  /** mangle: the flow is decided by addresses. */
  readonly acl: string
  /** mangle: marks the packet for `reject`. */
  readonly refuse: string
  /** mangle: packets that leave a PU behind an interface. */
  readonly from: string
  /** mangle: packets that are about to enter a PU behind an interface. */
  readonly to: string
  /** mangle: the packets that leave this host. */
  readonly hostTo: string
  /** mangle: those that it sends itself. */
  readonly hostsOwn: string
  /** mangle: as `flowIn` and `flowOut`, of PUs behind interfaces. */
  readonly flowTo: string
  readonly flowFrom: string
  /** mangle: as `acl`, of PUs behind interfaces. */
  readonly aclTCP: string
  /** raw: exists for a moment, to ask the kernel about one match. */
  readonly probe: string
}

/** The chains of one PU, all in mangle. */
export interface PUChainNames {
  readonly in: string
  readonly out: string
  readonly synIn: string
  readonly synOut: string
  /** The answers to what is not TCP. */
  readonly answerIn: string
  readonly answerOut: string
  /** A rule over addresses accepts. */
  readonly accepted: string
  /** A rule over addresses, or the lack of one, would deny. */
  readonly observed: string
  readonly denyIn: string
  readonly denyOut: string
  /** TCP that belongs to no flow we know. */
  readonly midStream: string
  /** Hands the packet to the PU's queue. */
  readonly trap: string
  /** Of a PU behind interfaces: what leaves it, what is about to enter it, and what is at its interfaces and not its own. */
  readonly from: string
  readonly to: string
  readonly stray: string
}

export function chainNames(serverID: string): ChainNames {
  return chainNamesOf(chainPrefix(serverID))
}

/** The same of an instance of which only the prefix is known. */
export function chainNamesOf(prefix: string): ChainNames {
  return {
    prefix,
    clear: `${prefix}CLEAR`,
    reject: `${prefix}REJECT`,
    in: `${prefix}IN`,
    out: `${prefix}OUT`,
    flowIn: `${prefix}FLOW-IN`,
    flowOut: `${prefix}FLOW-OUT`,
    synIn: `${prefix}SYN-IN`,
    synOut: `${prefix}SYN-OUT`,
    drop: `${prefix}DROP`,
    set: `${prefix}SET`,
    authorize: `${prefix}AUTH`,
    acl: `${prefix}ACL`,
    refuse: `${prefix}REFUSE`,
    from: `${prefix}FROM`,
    to: `${prefix}TO`,
    hostTo: `${prefix}HOST-TO`,
    hostsOwn: `${prefix}HOSTS-OWN`,
    flowTo: `${prefix}FLOW-TO`,
    flowFrom: `${prefix}FLOW-FROM`,
    aclTCP: `${prefix}ACL-TCP`,
    probe: `${prefix}PROBE`,
  }
}

/** `TRI-`, 6 hex digits of SHA-256 over the server ID, `-`. */
export function chainPrefix(serverID: string): string {
  return `TRI-${digest(serverID, 6)}-`
}

/** Whether the chain, or the set, is of any instance. */
export function isInstanceChain(name: string): boolean {
  return /^TRI-[0-9a-f]{6}-/.test(name)
}

/** By this a PU's chains are found again after a restart: 12 hex digits of SHA-256 over its context ID. */
export function puHash(contextID: string): string {
  return digest(contextID, 12)
}

export function puChainNames(names: ChainNames, hash: string): PUChainNames {
  const { prefix } = names
  return {
    in: `${prefix}I-${hash}`,
    out: `${prefix}O-${hash}`,
    synIn: `${prefix}IS-${hash}`,
    synOut: `${prefix}OS-${hash}`,
    answerIn: `${prefix}IR-${hash}`,
    answerOut: `${prefix}OR-${hash}`,
    accepted: `${prefix}A-${hash}`,
    observed: `${prefix}V-${hash}`,
    denyIn: `${prefix}ID-${hash}`,
    denyOut: `${prefix}OD-${hash}`,
    midStream: `${prefix}M-${hash}`,
    trap: `${prefix}Q-${hash}`,
    from: `${prefix}F-${hash}`,
    to: `${prefix}T-${hash}`,
    stray: `${prefix}X-${hash}`,
  }
}

function digest(text: string, digits: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, digits)
}
