import type { Tags } from './tags.js'

/** What a processing unit is. Each kind has its own pair of enforcer and supervisor. */
export type PUKind = 'container' | 'linux-process' | 'user-session'

/** A port range, both ends included. One port is a range with equal ends. */
export interface PortRange {
  readonly first: number
  readonly last: number
}

/** How the kernel tells a PU's packets from everybody else's. */
export type Isolation =
  /** A cgroup v2 path relative to the cgroup2 mount, without a leading slash (`-m cgroup --path`). */
  | { readonly by: 'cgroup-path'; readonly path: string }
  /** A net_cls class ID of cgroup v1 (`-m cgroup --cgroup`). */
  | { readonly by: 'net-cls'; readonly classID: number }
  /** The user of every socket that a process of the PU made (`-m owner --uid-owner`): for hosts without a cgroup to match. */
  | { readonly by: 'owner'; readonly uid: number }
  /** The PU's ports alone: what it sends of its own accord is not looked at. */
  | { readonly by: 'ports' }
  /** A network namespace that is the PU's alone. The path stays valid while the PU runs (`/proc/self/fd/N`). */
  | { readonly by: 'netns'; readonly path: string }
  /**
   * The PU alone is behind these interfaces, in a network namespace of its own: its packets are told apart where they enter and
   * leave the host. `netns` is the path of that namespace, for a look at its sockets; it stays valid while the PU runs.
   */
  | { readonly by: 'interfaces'; readonly interfaces: readonly PUInterface[]; readonly netns: string }

/** A port of one of the host's bridges, and what is behind it. */
export interface PUInterface {
  /** The bridge's port: the host's end of the pair. */
  readonly name: string
  readonly bridge: string
  /** Of the PU: what arrives at the port from any other address is forged. */
  readonly addresses: readonly string[]
}

/** What a monitor knows about a running PU. Plain data: copied, stored and sent as it is. */
export interface PURuntime {
  readonly kind: PUKind
  readonly name: string
  /** The process whose start made the PU, in the monitor's PID namespace. */
  readonly pid?: number
  readonly tags: Tags
  /** Ports on which the PU accepts connections, by which incoming packets find it where no namespace does. */
  readonly ports: readonly PortRange[]
  /** Ports among these on which the PU listens though nobody said that it may: core has every peer denied there. */
  readonly closedPorts?: readonly PortRange[]
  /**
   * Addresses by which peers may dial the PU beside those of its network namespace, virtual and published ones: `ADDRESS`, `ADDRESS:PORT`
   * or `[ADDRESS]:PORT`, as `parseAlias` answers them. `0.0.0.0:PORT` and `[::]:PORT` mean every address that the host has at the
   * time of the connection.
   */
  readonly aliases?: readonly string[]
  readonly isolation: Isolation
  /** Whether it began just before it was reported: what it connected to in that moment is no connection to adopt. Default false. */
  readonly isNew?: boolean
  /** Facts for the resolver that no part of Trireme reads. */
  readonly options?: Readonly<Record<string, string>>
}

/** An event in the life of a PU. Only `start` and `stop` change enforcement; the resolver hears of all. */
export type PUEvent = 'create' | 'start' | 'stop' | 'destroy' | 'pause' | 'unpause'
