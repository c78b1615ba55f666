import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Tag, Tags } from '@trireme/core'

/** A user who is a PU. */
export interface StoredUser {
  readonly uid: number
  readonly name: string
  readonly contextID: string
  readonly tags: Tags
}

/** The users who are PUs, in one file of mode 0600 that is replaced as a whole. */
export class OwnerStore {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  /** @throws TypeError for a file that is none of ours: whom it named is unknown, so nobody may be set free. */
  async read(): Promise<readonly StoredUser[]> {
    const text = await readFile(this.#path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '[]'
      throw error
    })
    const value = parseJSON(text)
    if (Array.isArray(value) && value.every(isStoredUser)) return value
    throw new TypeError(`${this.#path}: damaged: expected a list of users, as a daemon wrote it`)
  }

  async write(users: readonly StoredUser[]): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const draft = `${this.#path}.tmp`
    const file = await open(draft, 'w', 0o600)
    try {
      await file.writeFile(`${JSON.stringify(users)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, this.#path)
  }

  async destroy(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }

  get #path(): string {
    return join(this.#folder, 'users.json')
  }
}

/** Undefined for what is no JSON, as after a crash. */
function parseJSON(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The caller refuses it as it refuses any other content.
    return undefined
  }
}

function isStoredUser(value: unknown): value is StoredUser {
  const { uid, name, contextID, tags } = (value ?? {}) as Partial<Record<keyof StoredUser, unknown>>
  const isNamed = typeof name === 'string' && typeof contextID === 'string'
  return Number.isInteger(uid) && isNamed && Array.isArray(tags) && tags.every(isTag)
}

function isTag(value: unknown): value is Tag {
  const { key, value: text } = (value ?? {}) as Partial<Record<keyof Tag, unknown>>
  return typeof key === 'string' && typeof text === 'string'
}
