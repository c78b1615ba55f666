import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'

/** Larger ones, sparse ones among them, would keep a starting process waiting, and everybody behind it. */
const MAX_BYTES = 256 * 1024 * 1024
const MAX_MS = 5000
const MAX_ENTRIES = 256
const CHUNK_BYTES = 1024 * 1024

export interface FileDigestsLimits {
  /** Default 256 MiB. */
  readonly maxBytes?: number
  /** For one file, the time behind earlier ones included. Default 5,000. */
  readonly maxMs?: number
}

/** SHA-256 digests of files in hexadecimal, one file at a time; a file that has not changed since is not read again. */
export class FileDigests {
  readonly #maxBytes: number
  readonly #maxMs: number
  /** By device, inode, size and both times of change. */
  readonly #known = new Map<string, Promise<string>>()
  #last: Promise<unknown> = Promise.resolve()

  constructor({ maxBytes = MAX_BYTES, maxMs = MAX_MS }: FileDigestsLimits = {}) {
    this.#maxBytes = maxBytes
    this.#maxMs = maxMs
  }

  /** Of what the path leads to now. Rejects where it cannot be read, is larger than the limit, or takes longer. */
  async of(path: string): Promise<string> {
    // Opening a pipe would wait for its writer.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const stat = await file.stat({ bigint: true })
      if (!stat.isFile()) throw new TypeError(`${path}: expected a file`)
      const { dev, ino, size, mtimeNs, ctimeNs } = stat
      if (size > this.#maxBytes)
        throw new RangeError(`${path}: ${size} bytes, expected at most ${this.#maxBytes}`)
      const key = [dev, ino, size, mtimeNs, ctimeNs].join()
      const known = this.#known.get(key)
      if (known) return await known
      const digest = this.#inTurn(file)
      this.#remember(key, digest)
      return await digest
    } finally {
      await file.close()
    }
  }

  #inTurn(file: FileHandle): Promise<string> {
    const deadlineMs = performance.now() + this.#maxMs
    const digest = this.#last.then(() => digestOf(file, { deadlineMs, maxBytes: this.#maxBytes }))
    this.#last = digest.catch(() => {})
    return digest
  }

  #remember(key: string, digest: Promise<string>): void {
    this.#known.set(key, digest)
    digest.catch(() => this.#known.delete(key))
    const [oldest] = this.#known.keys()
    if (this.#known.size > MAX_ENTRIES && oldest !== undefined) this.#known.delete(oldest)
  }
}

interface DigestLimits {
  /** By `performance.now()`. */
  readonly deadlineMs: number
  readonly maxBytes: number
}

/** The file may grow while it is read. */
async function digestOf(file: FileHandle, { deadlineMs, maxBytes }: DigestLimits): Promise<string> {
  const hash = createHash('sha256')
  const chunk = Buffer.alloc(CHUNK_BYTES)
  for (let at = 0; at <= maxBytes; ) {
    if (performance.now() > deadlineMs) throw new RangeError('the digest of a file takes too long')
    const { bytesRead } = await file.read(chunk, 0, chunk.length, at)
    if (bytesRead === 0) return hash.digest('hex')
    hash.update(chunk.subarray(0, bytesRead))
    at += bytesRead
  }
  throw new RangeError(`the file grew beyond ${maxBytes} bytes`)
}
