import {
  DENY_ALL,
  type Factory,
  type FlowRecord,
  type IPRule,
  type Networks,
  type PUInfo,
  type Secrets,
  type TagSelector,
  type Tags,
  type TokenEngine,
} from '@trireme/core'
import { type NfqEnforcerOptions, type NfqEnforcerStats, nfqEnforcer } from '@trireme/enforcer-nfq'
import { iptablesSupervisor } from '@trireme/supervisor-iptables'
import type { Host } from '../harness/hosts.js'

const NETWORKS: Networks = { trireme: ['10.0.0.0/8', 'fd00::/8'], excluded: [] }
const CONTEXT_ID = 'pu'

export interface NodeOptions {
  readonly serverID: string
  readonly host: Host
  readonly secrets: Secrets
  readonly tokens: Factory<{ readonly secrets: Secrets }, TokenEngine>
  readonly identity: Tags
  readonly receiverRules: readonly TagSelector[]
  readonly transmitterRules: readonly TagSelector[]
  readonly applicationACLs?: readonly IPRule[]
  /** As in `PURuntime`. */
  readonly aliases?: readonly string[]
  /** What the enforcer is made with besides. */
  readonly enforcer?: NfqEnforcerOptions
}

type Rules = Pick<NodeOptions, 'receiverRules' | 'transmitterRules'>

/** A node of this process whose one PU is the host's whole network namespace. */
export interface NodeInProcess {
  readonly flows: readonly FlowRecord[]
  readonly errors: readonly unknown[]
  stats(): NfqEnforcerStats
  /** Resolves when these rules are in force. */
  update(rules: Partial<Rules>): Promise<void>
  /** Ends without taking the rules away, as a daemon does. */
  leave(): Promise<void>
  /** Takes the rules away, too. */
  stop(): Promise<void>
}

/** Resolves when the PU is enforced. */
export async function startNode(options: NodeOptions): Promise<NodeInProcess> {
  const { serverID, secrets, tokens } = options
  const flows: FlowRecord[] = []
  const errors: unknown[] = []
  const collector = { collectFlowEvent: (flow: FlowRecord) => void flows.push(flow), collectPUEvent() {} }
  const onError = (error: unknown) => void errors.push(error)
  const enforcer = nfqEnforcer({ namespaces: 'per-pu', onError, ...options.enforcer })({
    serverID,
    tokenEngine: tokens({ secrets }),
    secrets,
    collector,
    networks: NETWORKS,
  })
  const filterQueue = () => enforcer.filterQueue()
  const supervisor = iptablesSupervisor({ namespaces: 'per-pu' })({
    serverID,
    filterQueue,
    networks: NETWORKS,
  })
  const stop = async () => {
    await supervisor.uninstall()
    await supervisor.stop()
    await enforcer.stop()
  }
  const leave = async () => {
    await supervisor.stop()
    await enforcer.stop()
  }
  const update = async (rules: Partial<Rules>) => {
    const pu = puOf({ ...options, ...rules })
    await supervisor.supervise(pu, await enforcer.enforce(pu))
  }
  try {
    await enforcer.start()
    await supervisor.start()
    await update({})
  } catch (error) {
    await stop()
    throw error
  }
  return { flows, errors, stats: () => enforcer.stats(), update, leave, stop }
}

function puOf(options: NodeOptions): PUInfo {
  const { host, identity, receiverRules, transmitterRules, applicationACLs = [], aliases = [] } = options
  return {
    contextID: CONTEXT_ID,
    runtime: {
      kind: 'container',
      name: CONTEXT_ID,
      tags: identity,
      ports: [{ first: 1, last: 65_535 }],
      aliases,
      isolation: { by: 'netns', path: host.namespace.path },
    },
    policy: { ...DENY_ALL, identity, receiverRules, transmitterRules, applicationACLs },
  }
}
