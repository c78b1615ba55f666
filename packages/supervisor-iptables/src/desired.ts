import { EPOCH_COUNT, type Networks, type PortRange, type PUInfo, TriremeError } from '@trireme/core'
import { puHash } from './chain-names.js'
import { parseCIDR } from './cidr.js'
import type { Link } from './links.js'
import type { InheritedMatch } from './rules.js'
import type { SupervisedPU } from './supervised-pu.js'

/** What the rules shall be. Never changed in place. */
export interface Desired {
  /** Without it there shall be no rules at all. */
  readonly isInstalled: boolean
  readonly networks: Networks
  /** The epoch of connections that are decided now; undefined until a PU is supervised: the enforcer's own. */
  readonly epoch: number | undefined
  /** By context ID. */
  readonly pus: ReadonlyMap<string, SupervisedPU>
  readonly inherited: readonly InheritedMatch[]
  readonly inheritedLinks: readonly Link[]
}

export const NOTHING: Desired = {
  isInstalled: false,
  networks: { trireme: [], excluded: [] },
  epoch: undefined,
  pus: new Map(),
  inherited: [],
  inheritedLinks: [],
}

/**
 * With the PU, in place of what was known of it or inherited for it.
 * @throws TriremeError `ERR_PORT_TAKEN`: packets that arrive at a port can be given to one PU only.
 */
export function withPU(desired: Desired, supervised: SupervisedPU): Desired {
  const { pu } = supervised
  for (const { pu: other } of desired.pus.values()) {
    if (other.contextID !== pu.contextID) checkPorts(pu, other)
  }
  const pus = new Map(desired.pus)
  if (gainsAddress(pu, pus.get(pu.contextID)?.pu)) pus.delete(pu.contextID)
  pus.set(pu.contextID, supervised)
  const epoch = laterEpoch(desired.epoch, supervised.enforcement.epoch)
  return { ...desired, epoch, pus, ...withoutInherited(desired, pu.contextID) }
}

/** Whether it has an address of its own that it had not: such PUs go last, for the last to get an address has it. */
function gainsAddress(pu: PUInfo, before: PUInfo | undefined): boolean {
  const known = new Set(before ? addressesOf(before) : [])
  return addressesOf(pu).some(address => !known.has(address))
}

function addressesOf({ runtime: { isolation } }: PUInfo): readonly string[] {
  return isolation.by === 'interfaces' ? isolation.interfaces.flatMap(({ addresses }) => addresses) : []
}

/** Changes of two PUs may come in another order than the enforcer made them. */
function laterEpoch(known: number | undefined, given: number): number {
  if (known === undefined) return given
  const ahead = (given - known + EPOCH_COUNT) % EPOCH_COUNT
  return ahead <= EPOCH_COUNT / 2 ? given : known
}

/** The same object where there was nothing of the PU. */
export function withoutPU(desired: Desired, contextID: string): Desired {
  const left = withoutInherited(desired, contextID)
  const isInherited =
    left.inherited.length < desired.inherited.length ||
    left.inheritedLinks.length < desired.inheritedLinks.length
  if (!desired.pus.has(contextID) && !isInherited) return desired
  const pus = new Map(desired.pus)
  pus.delete(contextID)
  return { ...desired, pus, ...left }
}

/** Whether there is something of PUs that nobody has supervised again yet. */
export function hasInherited({ inherited, inheritedLinks }: Desired): boolean {
  return inherited.length > 0 || inheritedLinks.length > 0
}

/** Whether a PU is behind interfaces. */
export function hasInterfaces({ pus }: Desired): boolean {
  return [...pus.values()].some(({ pu }) => pu.runtime.isolation.by === 'interfaces')
}

/** The cgroup paths that the rules will name. */
export function pathsOf({ pus, inherited }: Desired): ReadonlySet<string> {
  const own = [...pus.values()].flatMap(({ pu }) => pathOf(pu))
  const left = inherited.flatMap(({ match }) => (match.by === 'cgroup-path' ? [match.path] : []))
  return new Set([...own, ...left])
}

/** The cgroup paths of the PUs that are new or changed. */
export function changedPaths(next: Desired, previous: Desired): ReadonlySet<string> {
  const changed = [...next.pus].filter(([contextID, pu]) => previous.pus.get(contextID) !== pu)
  return new Set(changed.flatMap(([, { pu }]) => pathOf(pu)))
}

/** @throws TriremeError `ERR_CONFIG` for what is no CIDR, and for a failsafe port that is none. */
export function checkNetworks(networks: Networks): void {
  for (const key of ['trireme', 'excluded'] as const) {
    const bad = networks[key].find(network => !parseCIDR(network))
    if (bad === undefined) continue
    throw new TriremeError('ERR_CONFIG', `networks.${key}: ${JSON.stringify(bad)} is not a CIDR`)
  }
  for (const { port, peers } of networks.failsafe ?? []) {
    const refuse = (key: string, value: unknown, expected: string) => {
      throw new TriremeError(
        'ERR_CONFIG',
        `networks.failsafe: ${key}: ${JSON.stringify(value)}, expected ${expected}`,
      )
    }
    if (!(Number.isInteger(port) && port > 0 && port <= 0xffff)) refuse('port', port, '1 to 65535')
    if (peers.length === 0 || !peers.every(peer => parseCIDR(peer))) refuse('peers', peers, 'CIDRs')
  }
}

function checkPorts(pu: PUInfo, other: PUInfo): void {
  const isApart = ({ runtime: { isolation } }: PUInfo) =>
    isolation.by === 'netns' || isolation.by === 'interfaces'
  if ([pu, other].some(isApart)) return
  const taken = pu.runtime.ports.find(range => other.runtime.ports.some(its => overlap(range, its)))
  if (!taken) return
  throw new TriremeError(
    'ERR_PORT_TAKEN',
    `PU ${pu.contextID}: ports: ${taken.first}-${taken.last} overlaps the ports of PU ${other.contextID}`,
  )
}

function withoutInherited({ inherited, inheritedLinks }: Desired, contextID: string) {
  const hash = puHash(contextID)
  return {
    inherited: inherited.filter(each => each.hash !== hash),
    inheritedLinks: inheritedLinks.filter(each => each.hash !== hash),
  }
}

function overlap(a: PortRange, b: PortRange): boolean {
  return a.first <= b.last && b.first <= a.last
}

function pathOf({ runtime: { isolation } }: PUInfo): string[] {
  return isolation.by === 'cgroup-path' ? [isolation.path] : []
}
