import { type FSWatcher, watch } from 'node:fs'

/** What a watch looks at, and whom it tells. */
export interface EmptinessWatchOptions {
  /** Whether the last process of the PU has ended. */
  readonly isEmpty: (contextID: string) => Promise<boolean>
  /** Called once per PU added; the PU is no longer watched by then. */
  readonly onEmpty: (contextID: string) => void
  readonly onError: (contextID: string, error: unknown) => void
  /** Between two looks at all PUs: the only source where the kernel sends no events, a safety net elsewhere. */
  readonly pollMs: number
}

/** Tells when the cgroups of PUs become empty, at once where the kernel reports it (inotify on `cgroup.events`). */
export class EmptinessWatch {
  readonly #options: EmptinessWatchOptions
  readonly #watched = new Map<string, FSWatcher | undefined>()
  readonly #timer: NodeJS.Timeout

  constructor(options: EmptinessWatchOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#checkAll(), options.pollMs)
    this.#timer.unref()
  }

  /** @param eventsFile a file that changes when the cgroup may have become empty; polled only where undefined. */
  add(contextID: string, eventsFile: string | undefined): void {
    this.#watched.set(contextID, eventsFile ? this.#follow(contextID, eventsFile) : undefined)
    void this.#check(contextID)
  }

  remove(contextID: string): void {
    this.#watched.get(contextID)?.close()
    this.#watched.delete(contextID)
  }

  close(): void {
    clearInterval(this.#timer)
    for (const watcher of this.#watched.values()) watcher?.close()
    this.#watched.clear()
  }

  /** inotify instances are limited per user: without one the poll still sees the end. */
  #follow(contextID: string, eventsFile: string): FSWatcher | undefined {
    const onError = (error: unknown) => this.#options.onError(contextID, error)
    try {
      const watcher = watch(eventsFile, { persistent: false }, () => void this.#check(contextID))
      return watcher.on('error', onError)
    } catch (error) {
      onError(error)
      return undefined
    }
  }

  #checkAll(): void {
    for (const contextID of this.#watched.keys()) void this.#check(contextID)
  }

  async #check(contextID: string): Promise<void> {
    try {
      if (!(await this.#options.isEmpty(contextID)) || !this.#watched.has(contextID)) return
    } catch (error) {
      this.#options.onError(contextID, error)
      return
    }
    this.remove(contextID)
    this.#options.onEmpty(contextID)
  }
}
