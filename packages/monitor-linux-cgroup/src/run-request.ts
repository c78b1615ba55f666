import { isReservedTagKey, type PortRange, type PUKind, type Tags, TriremeError } from '@trireme/core'

/** The wish to make a process a PU. */
export interface RunRequest {
  /** Of the leader of the process, in the monitor's PID namespace. */
  readonly pid: number
  /** For people. At most 128 characters, no `/`. Default `process-PID`. */
  readonly name?: string
  readonly tags: Tags
  /** What the caller vouches for, under reserved keys, in place of what the extractor would find. */
  readonly facts?: Tags
  /** On which the process is going to accept connections. */
  readonly ports: readonly PortRange[]
  /** Addresses by which peers may dial it, as `parseAlias` answers them. Default none. */
  readonly aliases?: readonly string[]
  /** Default `linux-process`. */
  readonly kind?: PUKind
  /** Whether it may accept on every port on which it is found listening. Default false: those not in `ports` are closed. */
  readonly discoverPorts?: boolean
  /** Whether only what peers send to its ports is enforced, and nothing that it sends of its own accord. Default false. */
  readonly networkOnly?: boolean
  /** The file that the process is about to execute. Default: the one that it executes. */
  readonly executable?: string
  /**
   * What becomes a PU. `process` (default): the process and what it starts from now on, in a cgroup of the PU's own. `tree`: with
   * what it has started already; their connections are reset unless `keepConnections`. `cgroup`: all of the cgroup in which the
   * process is, which stays where it is, as systemd wants it for a unit (cgroup v2 only).
   */
  readonly scope?: RunScope
  /** With `tree`: what they have connected already goes on unenforced until it ends. Default false. */
  readonly keepConnections?: boolean
  /** The user who may end the PU beside root. Default root alone. */
  readonly owner?: number
}

export type RunScope = 'process' | 'tree' | 'cgroup'

export const RUN_SCOPES: readonly RunScope[] = ['process', 'tree', 'cgroup']

const MAX_NAME_LENGTH = 128
const MAX_PID = 2 ** 22

/** Checks what can be seen without looking at the process. */
export function assertRunRequest(request: RunRequest): void {
  const { pid } = request
  if (!Number.isInteger(pid) || pid < 1 || pid > MAX_PID) {
    throw new RangeError(`pid ${pid}: expected a process number from 1 to ${MAX_PID}`)
  }
  assertPUDescription(request)
}

/** Checks what does not need a process. */
export function assertPUDescription(request: Omit<RunRequest, 'pid'>): void {
  const { name, tags, ports, kind } = request
  if (name !== undefined) assertName(name)
  for (const tag of tags) assertTag(tag.key, tag.value)
  for (const range of ports) assertPortRange(range)
  if (kind === 'container') {
    throw new TriremeError(
      'ERR_UNSUPPORTED_KIND',
      "kind 'container': expected 'linux-process' or 'user-session'",
    )
  }
}

function assertName(name: string): void {
  const isPlain = /^[^/\p{C}]+$/u.test(name) && name !== '.' && name !== '..'
  if (isPlain && name.length <= MAX_NAME_LENGTH) return
  throw new RangeError(
    `name ${JSON.stringify(name)}: expected 1 to ${MAX_NAME_LENGTH} characters without '/' and control characters`,
  )
}

function assertTag(key: string, value: string): void {
  if (key !== '' && !key.includes('=') && !isReservedTagKey(key)) return
  throw new TriremeError(
    'ERR_INVALID_TAG',
    `tag ${JSON.stringify(`${key}=${value}`)}: expected key=value, the key not beginning with '@' or '$'`,
  )
}

function assertPortRange({ first, last }: PortRange): void {
  const isPort = (port: number) => Number.isInteger(port) && port >= 1 && port <= 65_535
  if (isPort(first) && isPort(last) && first <= last) return
  throw new RangeError(`port ${first}-${last}: expected ports from 1 to 65535, the lower one first`)
}
