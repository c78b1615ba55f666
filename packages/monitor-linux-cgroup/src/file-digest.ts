import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'

const MAX_ENTRIES = 256
const CHUNK_BYTES = 1024 * 1024

/** SHA-256 digests of files in hexadecimal; a file that has not changed since is not read again. */
export class FileDigests {
  /** By device, inode, size and both times of change. */
  readonly #known = new Map<string, Promise<string>>()

  /** Of what the path leads to now. Rejects where it cannot be read. */
  async of(path: string): Promise<string> {
    // Opening a pipe would wait for its writer.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const stat = await file.stat({ bigint: true })
      if (!stat.isFile()) throw new TypeError(`${path}: expected a file`)
      const { dev, ino, size, mtimeNs, ctimeNs } = stat
      const key = [dev, ino, size, mtimeNs, ctimeNs].join()
      const known = this.#known.get(key)
      if (known) return await known
      const digest = digestOf(file)
      this.#remember(key, digest)
      return await digest
    } finally {
      await file.close()
    }
  }

  #remember(key: string, digest: Promise<string>): void {
    this.#known.set(key, digest)
    digest.catch(() => this.#known.delete(key))
    const [oldest] = this.#known.keys()
    if (this.#known.size > MAX_ENTRIES && oldest !== undefined) this.#known.delete(oldest)
  }
}

async function digestOf(file: FileHandle): Promise<string> {
  const hash = createHash('sha256')
  const chunk = Buffer.alloc(CHUNK_BYTES)
  for (let at = 0; ; ) {
    const { bytesRead } = await file.read(chunk, 0, chunk.length, at)
    if (bytesRead === 0) return hash.digest('hex')
    hash.update(chunk.subarray(0, bytesRead))
    at += bytesRead
  }
}
