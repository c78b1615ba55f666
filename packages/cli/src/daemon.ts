import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import {
  type MonitorsOptions,
  newTriremeWithOptions,
  type WiredMonitors,
  type WiredTrireme,
} from '@trireme/configurator'
import {
  type AggregatingCollector,
  aggregatingCollector,
  type PURequestProcessor,
  runAll,
  type Trireme,
} from '@trireme/core'
import { RequestProcessors } from '@trireme/monitor-rpc'
import { type UserSessionMonitor, userSessionMonitor } from '@trireme/monitor-user-session'
import { describeAuth } from './auth/describe-auth.js'
import { type LoadedAuth, loadSecrets } from './auth/load-secrets.js'
import { SecretsInUse } from './auth/secrets-in-use.js'
import { type Config, loadConfig } from './config.js'
import { type ControlSocket, openControlSocket } from './control/control-socket.js'
import { claimState, removeState } from './daemon-state.js'
import { dockerOptions } from './docker-options.js'
import { flowJournalFile } from './flow-journal-file.js'
import { FlowLog } from './flow-log.js'
import { forgetOwnInstance, registerInstance } from './instance-registry.js'
import { type Log, limited } from './log.js'
import { logPUEvent } from './log-pu-event.js'
import { NeighbourWatch } from './neighbour-watch.js'
import { assertAlone } from './neighbours.js'
import { FileWatch } from './policy/file-watch.js'
import { loadPolicy, PolicyInForce } from './policy/policy-in-force.js'
import { Problems } from './problems.js'
import { Reloader, type ReloadReport } from './reload.js'
import { statusReport } from './status-report.js'
import { userAccount } from './user-account.js'

/** A daemon that is ready. */
export interface Daemon {
  /** Settles when the daemon was asked over its socket to uninstall itself and has done so, or could not. */
  readonly uninstalled: Promise<void>
  /** Reads the configured secrets and the policy again and puts them in force, as `trireme reload` does. Logs what came of it. */
  reload(): Promise<ReloadReport>
  /** Stops; PUs stay enforced, and their new connections wait for the next daemon. */
  stop(): Promise<void>
}

/** What a daemon consists of, in the order in which it starts. */
interface Parts extends WiredTrireme, WiredMonitors<MonitorsOptions> {
  readonly config: Config
  readonly flows: FlowLog
  readonly collector: AggregatingCollector
  readonly problems: Problems
  readonly auth: SecretsInUse
  readonly policy: PolicyInForce
  readonly reloader: Reloader
  readonly sessionMonitor: UserSessionMonitor | undefined
}

/**
 * Enforces by a configuration file until it is stopped. A start that fails takes back what it began; what an earlier daemon left
 * enforced stays so.
 * @throws what `exitStatusOf` tells apart.
 */
export async function startDaemon(configFile: string, log: Log): Promise<Daemon> {
  const config = await loadConfig(configFile)
  const policy = new PolicyInForce(await loadPolicy(config))
  const auth = await loadSecrets(config.auth, config.serverID)
  const users = await Promise.all(config.users.map(async user => (await userAccount(user)).uid))
  await assertAlone()
  const socket = await openControlSocket({ path: config.socket, users })
  try {
    const { state, isFirst, refusedByDisk } = await claimState(config)
    const { serverID } = config
    const { generation } = state
    const parts = await compose({ config, configFile, auth, policy, generation }, log)
    if (refusedByDisk !== undefined) parts.problems.addOfDisk(config.stateDir, refusedByDisk)
    await registerInstance(config).catch(error => parts.problems.addOfDisk('/run/trireme', error))
    const neighbours = new NeighbourWatch(config.serverID, parts.problems)
    const looked = neighbours.start()
    await startParts(parts, isFirst)
    await looked
    const daemon = serve({ ...parts, neighbours }, socket)
    log.info(`${serverID} is ready on ${config.socket}: ${describeAuth(auth)}`)
    return daemon
  } catch (error) {
    await runAll([() => Promise.reject(error), () => socket.close()])
    throw error
  }
}

interface Ingredients {
  readonly config: Config
  readonly configFile: string
  readonly auth: LoadedAuth
  readonly policy: PolicyInForce
  readonly generation: number
}

async function compose(
  { config, configFile, auth, policy, generation }: Ingredients,
  log: Log,
): Promise<Parts> {
  const problems = new Problems(log)
  const flows = new FlowLog({ onPUEvent: record => logPUEvent(log, record) })
  const collector = aggregatingCollector(flows)
  const { serverID, tokens, authorization, onPolicyChange, networks, excludedNetworks } = config
  const { failsafePorts, adopt, bind, aliases } = config
  const wired = await newTriremeWithOptions({
    ...{ serverID, tokens, authorization, onPolicyChange, networks, excludedNetworks, failsafePorts, adopt },
    ...{ bind, aliases },
    collector,
    journal: place => flowJournalFile(config.stateDir, place),
    resolver: policy,
    generation,
    auth: { secrets: auth.secrets },
    monitors: await monitorsOf(config, problems),
    onDisturbance: disturbance => problems.addOfRules(disturbance),
    onError: limited(error => log.error(`enforcer: ${String(error)}`)),
  })
  const inUse = new SecretsInUse(auth, { config, configFile, log, update: wired.updateSecrets })
  const { trireme } = wired
  const reloader = new Reloader({ config, configFile, log, problems, auth: inUse, policy, trireme })
  const sessionMonitor = sessionMonitorOf(config, wired, problems)
  return { ...wired, config, flows, collector, problems, auth: inUse, policy, reloader, sessionMonitor }
}

function sessionMonitorOf(
  { monitors, stateDir }: Config,
  { trireme, linuxMonitor }: WiredTrireme & WiredMonitors<MonitorsOptions>,
  problems: Problems,
): UserSessionMonitor | undefined {
  if (!monitors.sessions) return undefined
  const { match } = monitors.sessions
  return userSessionMonitor({
    stateDir: join(stateDir, 'sessions'),
    match,
    onProblem: ({ contextID, error }) => problems.add({ kind: 'not-enforced', contextID, error }),
  })({ handler: trireme, ...(linuxMonitor && { processes: linuxMonitor }) })
}

async function monitorsOf({ monitors, stateDir }: Config, problems: Problems): Promise<MonitorsOptions> {
  const { linux, docker } = monitors
  return {
    ...(linux && {
      linux: {
        stateDir,
        onProblem: problem => problems.add(problem),
        ...(linux.cgroupRoot && { cgroupRoot: linux.cgroupRoot }),
        ...(linux.maxPUsPerUser && { maxPUsPerUser: linux.maxPUsPerUser }),
      },
    }),
    ...(docker && {
      docker: {
        ...(await dockerOptions(docker)),
        waitForEngine: true,
        onProblem: problem => problems.addOfContainers(problem),
      },
    }),
  }
}

/** @param isFirst nothing was enforced before, so a start that fails has nothing to leave in force. */
async function startParts(parts: Parts, isFirst: boolean): Promise<void> {
  const { config, trireme } = parts
  const undo: (() => Promise<void>)[] = []
  if (isFirst)
    undo.unshift(
      () => removeState(config),
      () => forgetOwnInstance(config.serverID),
    )
  try {
    await trireme.start()
    undo.unshift(() => trireme.stop())
    if (isFirst) undo.unshift(() => removeRules(trireme))
    for (const monitor of monitorsIn(parts)) {
      await monitor.start()
      undo.unshift(() => monitor.stop())
    }
    await reconcile(parts)
  } catch (error) {
    await runAll([() => Promise.reject(error), ...undo])
  }
}

/** Removes the rules of PUs that ended before this start: at once, or when an engine that is awaited has said what runs. */
async function reconcile({ trireme, problems, dockerMonitor }: Parts): Promise<void> {
  // Taking away the old rules of a PU that could not be enforced again would set it free.
  const removeOthers = async () => {
    if (!problems.has('not-enforced')) await trireme.reconcile()
  }
  const synchronized = dockerMonitor?.synchronized() ?? Promise.resolve()
  // A daemon that stops before leaves them to the next one.
  const seen = synchronized.then(
    () => true,
    () => false,
  )
  if (await Promise.race([seen, setImmediate(false)])) return removeOthers()
  seen.then(isSeen => (isSeen ? removeOthers() : undefined)).catch(error => problems.addOfReconciling(error))
}

interface ServedParts extends Parts {
  readonly neighbours: NeighbourWatch
}

function serve(parts: ServedParts, socket: ControlSocket): Daemon {
  const { flows, collector, trireme, auth, reloader, neighbours } = parts
  let settle: (outcome: Promise<void>) => void
  const uninstalled = new Promise<void>(resolve => {
    settle = resolve
  })
  // Whoever does not wait for it, hears of it in the answer to the request.
  uninstalled.catch(() => {})
  socket.serve({
    events: new RequestProcessors(processorsIn(parts)),
    status: () => statusReport(parts),
    flows: reading => flows.read(reading),
    rotate: () => auth.rotate(),
    reload: check => (check ? reloader.check() : reloader.reload()),
    uninstall: () => {
      const outcome = uninstall(parts)
      settle(outcome)
      return outcome
    },
  })
  const watch = watchOf(parts)
  const stop = () =>
    runAll([
      () => watch?.close(),
      async () => neighbours.stop(),
      () => collector.stop(),
      () => flows.close(),
      () => socket.close(),
      ...monitorsIn(parts).map(monitor => () => monitor.stop()),
      () => trireme.stop(),
    ])
  return { uninstalled, reload: () => reloader.reload(), stop }
}

function watchOf({ config, policy, reloader }: Parts): FileWatch | undefined {
  if (!config.watch) return undefined
  return new FileWatch({ path: () => policy.current.file, onChange: () => reloader.reloadPolicy() })
}

/** Rules go before the queues that they feed. */
async function uninstall(parts: Parts): Promise<void> {
  const { config, dockerMonitor, linuxMonitor, sessionMonitor, trireme } = parts
  await runAll([
    () => sessionMonitor?.uninstall(),
    () => linuxMonitor?.uninstall(),
    () => dockerMonitor?.uninstall(),
    () => removeRules(trireme),
    () => trireme.stop(),
    () => removeState(config),
    () => forgetOwnInstance(config.serverID),
  ])
}

function removeRules(trireme: Trireme): Promise<void> {
  const kinds = ['container', 'linux-process'] as const
  return runAll(kinds.map(kind => () => trireme.supervisor(kind)?.uninstall()))
}

function monitorsIn({ dockerMonitor, linuxMonitor, sessionMonitor }: Parts) {
  return [linuxMonitor, sessionMonitor, dockerMonitor].filter(monitor => monitor !== undefined)
}

/** Who carries out the events of which type of PU. */
function processorsIn({ linuxMonitor, sessionMonitor }: Parts): Readonly<Record<string, PURequestProcessor>> {
  return {
    ...(linuxMonitor && { 'linux-process': linuxMonitor }),
    ...(sessionMonitor && { 'user-session': sessionMonitor }),
  }
}
