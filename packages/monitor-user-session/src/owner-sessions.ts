import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import type { ProcessingUnitsHandler, PURuntime, Tag, Tags } from '@trireme/core'
import { OwnerStore, type StoredUser } from './owner-store.js'

/** What concerns one user's PU and fails no call. */
export type OwnerProblem = (contextID: string, error: unknown) => void

/**
 * Sessions where no cgroup can tell them apart: all of a user's sockets are one PU, from his first session until his last process
 * has ended. Its tags are those of all his sessions.
 */
export class OwnerSessions {
  readonly #handler: ProcessingUnitsHandler
  readonly #store: OwnerStore
  readonly #onProblem: OwnerProblem
  readonly #users = new Map<number, StoredUser>()
  #timer: NodeJS.Timeout | undefined
  #tail: Promise<void> = Promise.resolve()

  constructor(handler: ProcessingUnitsHandler, stateDir: string, onProblem: OwnerProblem) {
    this.#handler = handler
    this.#store = new OwnerStore(stateDir)
    this.#onProblem = onProblem
  }

  /** Enforces again who was logged in and still has processes. */
  async start(pollMs: number): Promise<void> {
    for (const user of await this.#store.read()) this.#users.set(user.uid, user)
    for (const user of this.#users.values()) {
      await this.#enforce(user).catch(error => this.#onProblem(user.contextID, error))
    }
    await this.#endIdle()
    this.#timer = setInterval(() => void this.#inTurn(() => this.#endIdle()), pollMs)
    this.#timer.unref()
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#tail
    this.#users.clear()
  }

  async uninstall(): Promise<void> {
    clearInterval(this.#timer)
    await this.#tail
    await this.#end([...this.#users.values()])
    await this.#store.destroy()
  }

  open(uid: number, name: string, tags: Tags): Promise<string> {
    return this.#inTurn(async () => {
      const known = this.#users.get(uid)
      const contextID = known?.contextID ?? contextIDOf(uid)
      const user = { uid, name, contextID, tags: union(known?.tags ?? [], tags) }
      await this.#store.write([...this.#users.values()].filter(each => each.uid !== uid).concat(user))
      await this.#enforce(user)
      this.#users.set(uid, user)
      return contextID
    })
  }

  async #enforce(user: StoredUser): Promise<void> {
    this.#handler.setPURuntime(user.contextID, runtimeOf(user))
    await this.#handler.handlePUEvent(user.contextID, 'start')
  }

  /** A user counts as long as a process of his runs, also one that outlived its shell. */
  async #endIdle(): Promise<void> {
    if (this.#users.size === 0) return
    const active = await activeUsers()
    const idle = [...this.#users.values()].filter(({ uid }) => !active.has(uid))
    await this.#end(idle)
    if (idle.length > 0) await this.#store.write([...this.#users.values()])
  }

  async #end(users: readonly StoredUser[]): Promise<void> {
    for (const { uid, contextID } of users) {
      this.#users.delete(uid)
      for (const event of ['stop', 'destroy'] as const) {
        await this.#handler.handlePUEvent(contextID, event).catch(error => this.#onProblem(contextID, error))
      }
    }
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(task)
    this.#tail = result.then(
      () => {},
      () => {},
    )
    return result
  }
}

function runtimeOf({ uid, name, tags }: StoredUser): PURuntime {
  return { kind: 'user-session', name, tags, ports: [], isolation: { by: 'owner', uid } }
}

function contextIDOf(uid: number): string {
  return createHash('sha256').update(`user\0${uid}`).digest('hex').slice(0, 12)
}

function union(one: Tags, other: Tags): Tags {
  const isIn = (tags: Tags, tag: Tag) => tags.some(each => each.key === tag.key && each.value === tag.value)
  return [...one, ...other.filter(tag => !isIn(one, tag))]
}

/** The real user IDs of all processes (proc_pid_status(5)). */
async function activeUsers(): Promise<ReadonlySet<number>> {
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  const uids = await Promise.all(
    pids.map(async pid => {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
      return Number(/^Uid:\s+(\d+)/m.exec(status)?.[1])
    }),
  )
  return new Set(uids)
}
