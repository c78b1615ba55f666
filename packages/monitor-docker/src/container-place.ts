import { type Isolation, KernelError, TriremeError } from '@trireme/core'
import type { ContainerInspection } from './container-inspection.js'
import type { OpenNamespace, Processes, ProcessIdentity } from './container-process.js'

/** Where a container's processes send and receive. */
export type ContainerPlace =
  /** In a network namespace of its own, held open. */
  | {
      readonly kind: 'container'
      readonly identity: ProcessIdentity
      readonly isolation: Isolation
      readonly namespaceID: bigint
      readonly namespace: OpenNamespace
    }
  /** In the host's network, told apart by its control group. */
  | { readonly kind: 'linux-process'; readonly identity: ProcessIdentity; readonly isolation: Isolation }
  /** In the namespace of another container. */
  | { readonly kind: 'joined'; readonly identity: ProcessIdentity; readonly namespaceID: bigint }

const FIND_PROCESS = 'find container process'

/** A container and its first process, in our PID namespace. */
export interface RunningContainer {
  readonly container: ContainerInspection
  readonly pid: number
  /** Whether it has only just begun; false where it ran before we looked. */
  readonly isNew: boolean
  /** Whether it waits to begin, and has run nothing of its own yet. Default false. */
  readonly isHeldBack?: boolean
  /** Whether the namespace of another container that it has joined has become its own. Default false. */
  readonly ownsNamespace?: boolean
}

/**
 * Finds the place of a container that runs, by what the kernel says of its first process.
 * @throws KernelError `ESRCH` where the process is gone, `ESTALE` where it is another's; TriremeError `ERR_MISSING_CAPABILITY` where the kernel
 * offers nothing to tell a container in the host's network apart.
 */
export async function locateContainer(
  { container, pid, ownsNamespace = false }: Pick<RunningContainer, 'container' | 'pid' | 'ownsNamespace'>,
  processes: Processes,
): Promise<ContainerPlace> {
  const { Id: id, HostConfig } = container
  const identity = processes.identity(pid)
  const namespaceID = processes.namespaceID(pid)
  const cgroups = processes.cgroups(pid)
  if (identity === undefined || namespaceID === undefined) throw goneError(pid)
  // Numbers of processes are used again: the control group carries the container's ID.
  if (!cgroups.all.some(path => path.includes(id))) throw strangerError(pid, cgroups.all)
  if (namespaceID === processes.namespaceID('self')) {
    return { kind: 'linux-process', identity, isolation: cgroupIsolation(cgroups.unified, id) }
  }
  if (HostConfig.NetworkMode === 'host') throw foreignHostError(id)
  if (!ownsNamespace && joinedContainer(container) !== undefined)
    return { kind: 'joined', identity, namespaceID }
  const namespace = await processes.openNamespace(pid)
  const isStill = processes.isAlive(identity)
  if (!isStill) {
    await namespace.close()
    throw goneError(pid)
  }
  const isolation: Isolation = { by: 'netns', path: namespace.path }
  return { kind: 'container', identity, isolation, namespaceID, namespace }
}

/** The name or ID of the container whose network this one has joined. */
export function joinedContainer({ HostConfig }: ContainerInspection): string | undefined {
  return /^container:(.+)$/.exec(HostConfig.NetworkMode)?.[1]
}

function cgroupIsolation(unified: string | undefined, id: string): Isolation {
  if (unified?.includes(id)) return { by: 'cgroup-path', path: unified.replace(/^\//, '') }
  throw new TriremeError(
    'ERR_MISSING_CAPABILITY',
    `container ${id.slice(0, 12)} in the host's network: it has no cgroup of version 2 (${unified ?? 'none'}): ` +
      'mount cgroup2 at /sys/fs/cgroup, or at /sys/fs/cgroup/unified beside version 1, and start the engine again',
  )
}

function foreignHostError(id: string): TriremeError {
  return new TriremeError(
    'ERR_MISSING_CAPABILITY',
    `container ${id.slice(0, 12)} is in the network of the engine's host, and the daemon is not: run the daemon there`,
  )
}

function strangerError(pid: number, cgroups: readonly string[]): KernelError {
  const detail = `process ${pid} is in none of the container's control groups: ${cgroups.join(' ')}`
  return new KernelError({ op: FIND_PROCESS, errno: 'ESTALE', detail })
}

function goneError(pid: number): KernelError {
  return new KernelError({ op: FIND_PROCESS, errno: 'ESRCH', detail: `process ${pid} has ended` })
}

/** Whether a failure says that the container has ended meanwhile. */
export function isGone(error: unknown): boolean {
  return error instanceof KernelError && error.op === FIND_PROCESS && error.errno === 'ESRCH'
}
