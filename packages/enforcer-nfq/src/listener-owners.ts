import { type Isolation, type PURuntime, TwoGenerationMap } from '@trireme/core'
import { readCgroup } from './cgroup-ids.js'
import { heldInodes } from './held-inodes.js'
import type { FoundSocket } from './netlink/socket-details.js'

/** A socket that was no process's of the PU may be passed to one: so long that is not asked again. */
const FOREIGN_MS = 1000
const REMEMBERED_SOCKETS = 4096
/** Looking takes at most a tenth of the time, however many sockets come and go. */
const REST_FACTOR = 9

type Whose = Pick<FoundSocket, 'cgroupID' | 'classID' | 'uid' | 'inode' | 'cookie'>

/** What the machine says of a cgroup's processes; replaceable in tests. */
export interface CgroupReader {
  /** The IDs of the cgroup and those below it, and the processes in them. */
  read(path: string): { readonly ids: ReadonlySet<bigint>; readonly pids: readonly number[] }
  /** Which of the inodes are files that one of the processes holds. */
  held(pids: readonly number[], inodes: ReadonlySet<number>): Promise<ReadonlySet<number>>
}

/**
 * Whose a listening socket is: the PU's by its cgroup, class or user; else, for a PU that is a cgroup, by a process of the PU that
 * holds it. So do sockets from before an adoption, and those that a service manager passes: they count by their cookie from then on.
 */
export class ListenerOwners {
  readonly #reader: CgroupReader
  readonly #onError: (error: unknown) => void
  readonly #cgroups = new Map<string, CgroupListeners>()

  constructor(
    onError: (error: unknown) => void,
    reader: CgroupReader = { read: readCgroup, held: heldInodes },
  ) {
    this.#onError = onError
    this.#reader = reader
  }

  /** A promise where it has to be looked up: ask again when it has settled. */
  isOwn(
    contextID: string,
    { isolation }: Pick<PURuntime, 'isolation'>,
    socket: Whose,
  ): boolean | Promise<void> {
    switch (isolation.by) {
      case 'cgroup-path':
        return this.#cgroupOf(contextID, isolation).isOwn(socket)
      case 'net-cls':
        // The kernel gives a process's sockets its class when the process moves.
        return socket.classID === isolation.classID
      case 'owner':
        return socket.uid === isolation.uid
      default:
        return true
    }
  }

  forget(contextID: string): void {
    this.#cgroups.delete(contextID)
  }

  #cgroupOf(contextID: string, { path }: Extract<Isolation, { by: 'cgroup-path' }>): CgroupListeners {
    const known = this.#cgroups.get(contextID)
    if (known?.path === path) return known
    const listeners = new CgroupListeners(path, this.#reader, this.#onError)
    this.#cgroups.set(contextID, listeners)
    return listeners
  }
}

class CgroupListeners {
  readonly path: string
  readonly #reader: CgroupReader
  readonly #onError: (error: unknown) => void
  #ids: ReadonlySet<bigint>
  readonly #judged = new TwoGenerationMap<bigint, { readonly isHeld: boolean; readonly atMs: number }>(
    REMEMBERED_SOCKETS,
  )
  #pending = new Map<bigint, Whose>()
  #next: Promise<void> | undefined
  #restUntilMs = 0

  constructor(path: string, reader: CgroupReader, onError: (error: unknown) => void) {
    this.path = path
    this.#reader = reader
    this.#onError = onError
    this.#ids = reader.read(path).ids
  }

  isOwn(socket: Whose): boolean | Promise<void> {
    if (socket.cgroupID !== undefined && this.#ids.has(socket.cgroupID)) return true
    const judged = this.#judged.get(socket.cookie)
    if (judged?.isHeld) return true
    if (judged && performance.now() - judged.atMs < FOREIGN_MS) return false
    this.#pending.set(socket.cookie, socket)
    this.#next ??= this.#lookSoon()
    return this.#next
  }

  /** One look at a time, for all that were asked about before it began. Where it fails they are nobody's. */
  async #lookSoon(): Promise<void> {
    const restMs = this.#restUntilMs - performance.now()
    if (restMs > 0) await new Promise(resolve => setTimeout(resolve, restMs).unref())
    const asked = [...this.#pending.values()]
    this.#pending = new Map()
    const startedMs = performance.now()
    try {
      await this.#look(asked)
    } catch (error) {
      this.#onError(error)
      this.#judge(asked, new Set())
    }
    const endedMs = performance.now()
    this.#restUntilMs = endedMs + REST_FACTOR * (endedMs - startedMs)
    this.#next = undefined
  }

  async #look(asked: readonly Whose[]): Promise<void> {
    const { ids, pids } = this.#reader.read(this.path)
    this.#ids = ids
    const foreign = asked.filter(({ cgroupID }) => cgroupID === undefined || !ids.has(cgroupID))
    if (foreign.length === 0) return
    this.#judge(foreign, await this.#reader.held(pids, new Set(foreign.map(({ inode }) => inode))))
  }

  #judge(sockets: readonly Whose[], held: ReadonlySet<number>): void {
    const atMs = performance.now()
    for (const { cookie, inode } of sockets) this.#judged.set(cookie, { isHeld: held.has(inode), atMs })
  }
}
