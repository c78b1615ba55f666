import { stat } from 'node:fs/promises'

export interface FileWatchOptions {
  /** Asked before every look. */
  readonly path: () => string
  /** The file is another one, or has another content, or is gone. Never called twice at a time. */
  readonly onChange: () => Promise<void>
  /** Default 500. */
  readonly pollMs?: number
}

/** A file that is being written is not read until it has been left alone for so many looks. */
const QUIET_LOOKS = 2

/**
 * Watches a file by looking at it, which sees what events of one inode do not: another file renamed over it, and another target of a
 * symbolic link on the way to it. The first look counts as a change: the file may have changed since it was read.
 */
export class FileWatch {
  readonly #options: FileWatchOptions
  #known: string | undefined
  #found: string | undefined
  #looks = 0
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(options: FileWatchOptions) {
    this.#options = options
    this.#schedule()
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  #schedule(): void {
    if (this.#isClosed) return
    this.#timer = setTimeout(
      () => void this.#look().finally(() => this.#schedule()),
      this.#options.pollMs ?? 500,
    )
    this.#timer.unref()
  }

  async #look(): Promise<void> {
    const found = await signatureOf(this.#options.path())
    this.#looks = found === this.#found ? this.#looks + 1 : 0
    this.#found = found
    if (found === this.#known || this.#looks < QUIET_LOOKS || this.#isClosed) return
    this.#known = found
    await this.#options.onChange()
  }
}

/** Differs where the file does: which inode it is, and when that changed last (stat(2)). */
async function signatureOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ')
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  }
}
