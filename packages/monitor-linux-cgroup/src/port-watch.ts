import { type ListeningSocket, readListeningSockets } from './listening-sockets.js'
import { readSocketInodes } from './process-sockets.js'

export interface PortWatchOptions {
  /** The processes of a PU now. */
  readonly processesOf: (contextID: string) => Promise<readonly number[]>
  /** Hears the ports on which a PU listens, ascending, whenever they change. The next look waits for it. */
  readonly onPorts: (contextID: string, ports: readonly number[]) => Promise<void>
  readonly onError: (contextID: string, error: unknown) => void
  /** Between two looks. */
  readonly pollMs: number
}

/** Sockets are handed from process to process without a trace in the list of listeners: then this is how long it may take. */
const RESCAN_MS = 10_000

/** Finds the ports on which PUs listen: one cheap look at the kernel's listeners a period, and at the processes only after a change. */
export class PortWatch {
  readonly #options: PortWatchOptions
  /** What was last said of each PU. */
  readonly #said = new Map<string, string>()
  readonly #timer: NodeJS.Timeout
  #listeners = ''
  #scannedAt = 0
  #look: Promise<void> | undefined

  constructor(options: PortWatchOptions) {
    this.#options = options
    this.#timer = setInterval(() => void this.look(), options.pollMs)
    this.#timer.unref()
  }

  add(contextID: string): void {
    this.#said.set(contextID, '')
    this.#scannedAt = 0
  }

  remove(contextID: string): void {
    this.#said.delete(contextID)
  }

  /** Resolves when what is open now has been told. One look at a time. */
  look(): Promise<void> {
    this.#look ??= this.#lookOnce().finally(() => {
      this.#look = undefined
    })
    return this.#look
  }

  /** The same, and nothing that happened before the call is missed. */
  async lookAnew(): Promise<void> {
    await this.#look
    await this.look()
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#said.clear()
    await this.#look
  }

  async #lookOnce(): Promise<void> {
    if (this.#said.size === 0) return
    try {
      const sockets = await readListeningSockets()
      const listeners = sockets.map(({ inode }) => inode).join()
      const isDue = performance.now() - this.#scannedAt > RESCAN_MS || this.#scannedAt === 0
      if (listeners === this.#listeners && !isDue) return
      this.#listeners = listeners
      this.#scannedAt = performance.now()
      for (const contextID of [...this.#said.keys()]) await this.#scan(contextID, sockets)
    } catch (error) {
      this.#options.onError('', error)
    }
  }

  async #scan(contextID: string, sockets: readonly ListeningSocket[]): Promise<void> {
    try {
      const ports = await this.#portsOf(contextID, sockets)
      const text = ports.join()
      const said = this.#said.get(contextID)
      if (said === undefined || said === text) return
      this.#said.set(contextID, text)
      await this.#options.onPorts(contextID, ports)
    } catch (error) {
      this.#options.onError(contextID, error)
    }
  }

  /** The ports among these sockets' that the PU's processes hold. */
  async #portsOf(contextID: string, sockets: readonly ListeningSocket[]): Promise<readonly number[]> {
    const processes = await this.#options.processesOf(contextID)
    const held = new Set((await Promise.all(processes.map(readSocketInodes))).flat())
    const ports = sockets.filter(({ inode }) => held.has(inode)).map(({ port }) => port)
    return [...new Set(ports)].sort((a, b) => a - b)
  }
}
