import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { PURuntime } from '@trireme/core'
import type { PortPlan } from './effective-ports.js'
import { parseContext } from './parse-context.js'

/** What must outlive the monitor's process for a PU to come back with the same identity. */
export interface StoredContext {
  readonly contextID: string
  /** Its ports are those in force: declared and found ones. */
  readonly runtime: PURuntime
  readonly portPlan: PortPlan
  /** The user who may end the PU beside root. */
  readonly owner: number
  /** A cgroup that is not the monitor's own and is the PU as a whole, as the kernel names it. */
  readonly borrowed?: string
  /** The cgroup from which the first process came, as the kernel names it. */
  readonly origin: string
}

/** A file that could not be read and now lies beside the store's own as `CONTEXTID.unreadable`. */
export interface UnreadableContext {
  readonly contextID: string
  readonly error: unknown
}

/** What a store held when it was opened. */
export interface StoredContexts {
  readonly contexts: readonly StoredContext[]
  readonly unreadable: readonly UnreadableContext[]
}

const SUFFIX = '.json'

/**
 * One file a PU, `CONTEXTID.json`, mode 0600 in a folder of mode 0700: what a write resolved for is there whole after a
 * crash at any point, and a write that did not resolve left the earlier file or none.
 */
export class ContextStore {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  async open(): Promise<StoredContexts> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const names = await readdir(this.#folder)
    const leftovers = names.filter(name => name.endsWith('.tmp'))
    await Promise.all(leftovers.map(name => rm(join(this.#folder, name), { force: true })))
    const contexts: StoredContext[] = []
    const unreadable: UnreadableContext[] = []
    for (const name of names.filter(name => name.endsWith(SUFFIX))) {
      const contextID = name.slice(0, -SUFFIX.length)
      try {
        contexts.push(parseContext(await readFile(join(this.#folder, name), 'utf8'), contextID))
      } catch (error) {
        await rename(join(this.#folder, name), join(this.#folder, `${contextID}.unreadable`))
        unreadable.push({ contextID, error })
      }
    }
    return { contexts, unreadable }
  }

  async write(context: StoredContext): Promise<void> {
    const path = this.#path(context.contextID)
    const draft = `${path}.${randomBytes(6).toString('hex')}.tmp`
    try {
      const file = await open(draft, 'wx', 0o600)
      try {
        await file.writeFile(`${JSON.stringify({ version: 1, ...context })}\n`)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(draft, path)
    } catch (error) {
      await rm(draft, { force: true })
      throw error
    }
    await this.#syncFolder()
  }

  /** Idempotent. */
  async remove(contextID: string): Promise<void> {
    await rm(this.#path(contextID), { force: true })
  }

  /** Removes the folder with everything in it. */
  async destroy(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }

  #path(contextID: string): string {
    return join(this.#folder, `${contextID}${SUFFIX}`)
  }

  /** The name is safe only when the folder is written too (fsync(2)). */
  async #syncFolder(): Promise<void> {
    const folder = await open(this.#folder, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  }
}
