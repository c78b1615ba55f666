import { isIP } from 'node:net'
import {
  type Enforcement,
  EPOCH_COUNT,
  type IPRule,
  type Isolation,
  type PortRange,
  type PUInfo,
  TriremeError,
} from '@trireme/core'
import { parseCIDR } from './cidr.js'
import { isToken } from './rule.js'

/** A PU whose packets are to be trapped, and where to. */
export interface SupervisedPU {
  readonly pu: PUInfo
  readonly enforcement: Enforcement
}

/** The kernel's PATH field of the cgroup match, less its terminating zero (`linux/netfilter/xt_cgroup.h`). */
const MAX_CGROUP_PATH = 511

/**
 * Refuses what no rule can or may be made from.
 * @throws TriremeError `ERR_POLICY` for a rule over addresses, RangeError or TypeError for ports, isolation and queue.
 */
export function checkSupervisedPU({ pu, enforcement }: SupervisedPU): void {
  const { runtime, policy } = pu
  if (policy.action === 'allow-all') {
    throw new TriremeError('ERR_POLICY', `PU ${pu.contextID}: allow-all means that the PU is not supervised`)
  }
  if (!isUint16(enforcement.queueNumber)) {
    throw new RangeError(`queueNumber: ${enforcement.queueNumber} is not an integer from 0 to 65535`)
  }
  if (!(isUint16(enforcement.epoch) && enforcement.epoch < EPOCH_COUNT)) {
    throw new RangeError(`epoch: ${enforcement.epoch} is not an integer from 0 to ${EPOCH_COUNT - 1}`)
  }
  for (const range of runtime.ports) {
    if (!isPortRange(range)) throw new RangeError(`PU ${pu.contextID}: ports: ${describe(range)}`)
  }
  checkIsolation(pu)
  for (const rule of policy.applicationACLs) checkIPRule(rule, 'applicationACLs')
  for (const rule of policy.networkACLs) checkIPRule(rule, 'networkACLs')
}

function checkIsolation({ contextID, runtime: { isolation } }: PUInfo): void {
  if (isolation.by === 'interfaces') checkInterfaces(contextID, isolation)
  if (isolation.by === 'cgroup-path' && !isCgroupPath(isolation.path)) {
    throw new TypeError(
      `PU ${contextID}: isolation.path: ${JSON.stringify(isolation.path)} is not a path below the cgroup2 mount of ` +
        `at most ${MAX_CGROUP_PATH} letters, digits and . _ : @ + , = % ~ \\ -`,
    )
  }
  if (isolation.by === 'net-cls' && !(isUint32(isolation.classID) && isolation.classID > 0)) {
    throw new RangeError(
      `PU ${contextID}: isolation.classID: ${isolation.classID} is not an integer from 1 to 4294967295`,
    )
  }
  if (isolation.by === 'owner' && !isUint32(isolation.uid)) {
    throw new RangeError(
      `PU ${contextID}: isolation.uid: ${isolation.uid} is not an integer from 0 to 4294967295`,
    )
  }
}

/** The kernel's name of an interface, less its terminating zero (`IFNAMSIZ`, `linux/if.h`). */
const MAX_INTERFACE_NAME = 15

function checkInterfaces(contextID: string, { interfaces }: Extract<Isolation, { by: 'interfaces' }>): void {
  const refuse = (key: string, value: string, expected: string) => {
    throw new TypeError(
      `PU ${contextID}: isolation.interfaces: ${key}: ${JSON.stringify(value)}, expected ${expected}`,
    )
  }
  for (const { name, bridge, addresses } of interfaces) {
    if (!isInterfaceName(name))
      refuse('name', name, `an interface of at most ${MAX_INTERFACE_NAME} characters`)
    if (!isInterfaceName(bridge)) refuse('bridge', bridge, 'the same')
    const bad = addresses.find(address => isIP(address) === 0)
    if (bad !== undefined) refuse('addresses', bad, 'an address')
  }
}

/** A trailing `+` would be a pattern, and a `!` a negation. */
function isInterfaceName(name: string): boolean {
  return name.length <= MAX_INTERFACE_NAME && isToken(name) && !/^-|[+]$/.test(name)
}

function isCgroupPath(path: string): boolean {
  const names = path.split('/')
  if (path.length > MAX_CGROUP_PATH || path.startsWith('-')) return false
  return isToken(path) && names.every(name => name !== '' && name !== '.' && name !== '..')
}

function checkIPRule(rule: IPRule, list: string): void {
  const refuse = (key: string, problem: string) => {
    throw new TriremeError('ERR_POLICY', `${list}: rule ${JSON.stringify(rule.name)}: ${key}: ${problem}`)
  }
  if (rule.networks.length === 0) refuse('networks', 'expected at least one')
  for (const network of rule.networks) {
    if (!parseCIDR(network)) refuse('networks', `${JSON.stringify(network)} is not a CIDR`)
  }
  for (const range of rule.ports) {
    if (!isPortRange(range)) refuse('ports', describe(range))
  }
  if (!['tcp', 'udp', 'icmp', 'any'].includes(rule.protocol)) {
    refuse('protocol', `${JSON.stringify(rule.protocol)} is none of tcp, udp, icmp, any`)
  }
  if (rule.ports.length > 0 && rule.protocol !== 'tcp' && rule.protocol !== 'udp') {
    refuse('ports', `${rule.protocol} has none; expected protocol tcp or udp`)
  }
}

function describe({ first, last }: PortRange): string {
  return `${first}-${last} is not a range of ports from 0 to 65535`
}

function isPortRange({ first, last }: PortRange): boolean {
  return isUint16(first) && isUint16(last) && first <= last
}

function isUint16(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 0xffff
}

function isUint32(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 0xffffffff
}
