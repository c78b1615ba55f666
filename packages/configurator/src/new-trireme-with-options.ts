import process from 'node:process'
import {
  assertObject,
  assertText,
  checkNodeOptions,
  type Isolators,
  newTrireme,
  type ProcessingUnitsHandler,
  type PublicKeyAdder,
  type Secrets,
  type Trireme,
} from '@trireme/core'
import type { NfqEnforcer } from '@trireme/enforcer-nfq'
import type { DockerMonitor } from '@trireme/monitor-docker'
import type { LinuxCgroupMonitor } from '@trireme/monitor-linux-cgroup'
import { adderInForce } from './adder-in-force.js'
import { loadPlugin, loadPlugins, type NeededPlugin } from './load-plugin.js'
import { loadEnforcer, loadSupervisor, type NewIsolator, nfqIsolators } from './nfq-isolator.js'
import type { AuthOptions, DockerPresetOptions, LinuxPresetOptions, PresetOptions } from './preset-options.js'
import { newTokenEngine, secretSuites } from './secret-suites.js'
import { secretsOf } from './secrets-of.js'

/** Which PUs there are: at least one of these. */
export interface MonitorsOptions {
  readonly docker?: DockerPresetOptions
  readonly linux?: LinuxPresetOptions
}

export interface NewTriremeOptions<Monitors extends MonitorsOptions = MonitorsOptions> extends PresetOptions {
  readonly auth: AuthOptions
  readonly monitors: Monitors
}

/** What all presets give. Nothing is started: `trireme.start()`, each monitor's `start()`, `trireme.reconcile()`. */
export interface WiredTrireme {
  readonly trireme: Trireme
  /** One for containers, one for what shares the host's network; one for both where containers are enforced locally. */
  readonly enforcers: readonly NfqEnforcer[]
  /** Where certificates are handed out, with PKI. Throws `ERR_SECRET` once `updateSecrets` has replaced what it adds to. */
  readonly publicKeyAdder?: PublicKeyAdder
  /**
   * Replaces all that identities are proved with, while connections come about: the first secrets sign, all are accepted.
   * @throws TriremeError as `Trireme.updateSecrets` does.
   */
  updateSecrets(secrets: readonly Secrets[]): Promise<void>
}

/** The monitors that were asked for. */
export interface WiredMonitors<Monitors extends MonitorsOptions> {
  readonly dockerMonitor: Monitors extends { readonly docker: object }
    ? DockerMonitor
    : DockerMonitor | undefined
  readonly linuxMonitor: Monitors extends { readonly linux: object }
    ? LinuxCgroupMonitor
    : LinuxCgroupMonitor | undefined
}

/**
 * A Trireme of any of the parts that presets know. Loads the plugins which these need and no other.
 * @throws TypeError for an option that is missing or is not what its type says; TriremeError `ERR_PEER_DEPENDENCY` for a plugin that is not installed; what core and the plugins say of the options.
 */
export async function newTriremeWithOptions<Monitors extends MonitorsOptions>(
  options: NewTriremeOptions<Monitors>,
): Promise<WiredTrireme & WiredMonitors<Monitors>> {
  checkOptions(options)
  const { serverID, resolver, collector, monitors } = options
  await loadPlugins(neededPlugins(options))
  const makers = await monitorMakers(monitors, options)
  const { secrets, publicKeyAdder } = secretsOf(options.auth)
  let inForce = secrets
  const newSuites = (each: readonly Secrets[]) => secretSuites(each, options.tokens)
  const newIsolator = await nfqIsolators(options, await newSuites(secrets), monitors.docker !== undefined)
  const { isolators, enforcers } = isolatorsFor(monitors, newIsolator)
  const trireme = newTrireme({ serverID, resolver, isolators, ...(collector && { collector }) })
  const wired: WiredTrireme & WiredMonitors<MonitorsOptions> = {
    trireme,
    enforcers,
    ...(publicKeyAdder && { publicKeyAdder: adderInForce(publicKeyAdder, () => inForce) }),
    dockerMonitor: makers.docker?.(trireme),
    linuxMonitor: makers.linux?.(trireme),
    updateSecrets: async each => {
      await trireme.updateSecrets(await newSuites(each))
      inForce = [...each]
    },
  }
  // A monitor is there exactly where its options are.
  return wired as WiredTrireme & WiredMonitors<Monitors>
}

/** Before anything is loaded or made. */
function checkOptions(options: NewTriremeOptions): void {
  checkNodeOptions(options)
  const { auth, monitors, journal, onError, onDisturbance } = options
  assertObject('auth', auth)
  assertObject('monitors', monitors)
  const { docker, linux } = monitors
  if (docker === undefined && linux === undefined)
    throw new TypeError('monitors: expected docker, linux or both')
  if (docker !== undefined) assertObject('monitors.docker', docker)
  if (linux !== undefined) {
    assertObject('monitors.linux', linux)
    assertText('monitors.linux.stateDir', linux.stateDir)
  }
  for (const [name, value] of Object.entries({ journal, onError, onDisturbance })) {
    if (value !== undefined && typeof value !== 'function')
      throw new TypeError(`${name}: expected a function`)
  }
}

function isolatorsFor({ docker, linux }: MonitorsOptions, newIsolator: NewIsolator) {
  const isLocal = docker?.enforcement === 'local'
  const isHostEnforced = linux !== undefined || docker?.hostNetwork !== false
  const whileEmpty = linux === undefined ? 'absent' : 'installed'
  const ofHost = { namespaces: 'own', whileEmpty, expectsInterfaces: isLocal } as const
  const onHost = isHostEnforced || isLocal ? newIsolator(ofHost) : undefined
  // One namespace has one set of rules: those of containers at the host's bridges are among the host's own.
  const containers = isLocal ? onHost : docker && newIsolator(IN_CONTAINERS)
  const isolators: Isolators = {
    ...(containers && { container: containers }),
    ...(onHost && isHostEnforced && { 'linux-process': onHost, 'user-session': onHost }),
  }
  const distinct = new Set([containers, onHost])
  return { isolators, enforcers: [...distinct].flatMap(each => (each ? [each.enforcer] : [])) }
}

const IN_CONTAINERS = { namespaces: 'per-pu', whileEmpty: 'absent', expectsInterfaces: false } as const

/** Makes each monitor that was asked for, once there is a handler. */
async function monitorMakers({ docker, linux }: MonitorsOptions, options: PresetOptions) {
  return {
    docker: docker && (await dockerMaker(docker, options)),
    linux: linux && (await linuxMaker(linux, options)),
  }
}

/** All that the options ask for: who installs plugins shall hear of every one that is missing. */
function neededPlugins({ monitors: { docker, linux }, tokens }: NewTriremeOptions): readonly NeededPlugin[] {
  return [
    { name: '@trireme/enforcer-nfq', load: loadEnforcer },
    { name: '@trireme/supervisor-iptables', load: loadSupervisor },
    { name: `@trireme/tokens-${tokens ?? 'binary'}`, load: () => newTokenEngine(tokens) },
    ...(docker ? [{ name: '@trireme/monitor-docker', load: loadDockerMonitor }] : []),
    ...(linux ? [{ name: '@trireme/monitor-linux-cgroup', load: loadLinuxMonitor }] : []),
  ]
}

function loadDockerMonitor() {
  return loadPlugin('@trireme/monitor-docker', () => import('@trireme/monitor-docker'))
}

function loadLinuxMonitor() {
  return loadPlugin('@trireme/monitor-linux-cgroup', () => import('@trireme/monitor-linux-cgroup'))
}

async function dockerMaker(docker: DockerPresetOptions, { collector }: PresetOptions) {
  const { dockerMonitor, engineFromEnvironment } = await loadDockerMonitor()
  const { synchronizationHandler, hostNetwork: _, ...monitorOptions } = docker
  const isNamed = docker.engine !== undefined || docker.connect !== undefined
  const make = dockerMonitor({
    ...(!isNamed && (await engineFromEnvironment(process.env))),
    ...monitorOptions,
  })
  return (handler: ProcessingUnitsHandler): DockerMonitor =>
    make({
      handler,
      ...(synchronizationHandler && { synchronizationHandler }),
      ...(collector && { collector }),
    })
}

async function linuxMaker(linux: LinuxPresetOptions, { serverID }: PresetOptions) {
  const { stateDir, cgroupRoot, maxPUsPerUser, onProblem } = linux
  const { linuxCgroupMonitor } = await loadLinuxMonitor()
  const make = linuxCgroupMonitor({
    stateDir,
    name: serverID,
    ...(cgroupRoot && { cgroupRoot }),
    ...(maxPUsPerUser && { maxPUsPerUser }),
    ...(onProblem && { onProblem }),
  })
  return (trireme: Trireme): LinuxCgroupMonitor =>
    make({ handler: trireme, puInfos: () => trireme.puInfos() })
}
