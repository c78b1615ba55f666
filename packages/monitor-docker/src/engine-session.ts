import type { Clock } from '@trireme/core'
import type { ContainerEvent } from './container-event.js'
import type { Engine, EngineConnector, EventStream } from './engine.js'

const FIRST_BACKOFF_MS = 100
const MAX_BACKOFF_MS = 5000
const CONNECT_TIMEOUT_MS = 10_000

export interface EngineSessionOptions {
  readonly connect: EngineConnector
  readonly clock: Clock
  readonly onEvent: (event: ContainerEvent) => void
  /** Called with each connection, once its events flow. Rejecting ends the connection, and at the first one `start`. */
  readonly onConnected: (engine: Engine, isFirst: boolean) => Promise<void>
  /** Called once for each connection that ends, and for each attempt that fails. */
  readonly onLost: (error: unknown) => void
}

interface Connection {
  readonly engine: Engine
  readonly stream: EventStream
}

/** A connection to an engine that is made anew, with growing pauses, whenever it ends. No event is missed but those the engine forgot. */
export class EngineSession {
  readonly #options: EngineSessionOptions
  readonly #stopped = new AbortController()
  #connection: Connection | undefined
  #sinceNano = 0n
  #following: Promise<void> = Promise.resolve()

  constructor(options: EngineSessionOptions) {
    this.#options = options
  }

  get engine(): Engine | undefined {
    return this.#connection?.engine
  }

  /** Rejects where the engine cannot be reached; nothing is tried again then. */
  async start(): Promise<void> {
    const connection = await this.#open(true)
    this.#following = this.#follow(connection)
  }

  /** Ends the connection, so that another is made. */
  renew(): void {
    this.#connection?.stream.close()
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#close()
    await this.#following
  }

  async #open(isFirst: boolean): Promise<Connection> {
    const { connect, onEvent, onConnected } = this.#options
    const engine = await this.#inTime(connect)
    if (this.#sinceNano === 0n) this.#sinceNano = engine.timeNano
    try {
      const stream = await engine.subscribe(this.#sinceNano, event => {
        if (event.timeNano >= this.#sinceNano) this.#sinceNano = event.timeNano + 1n
        onEvent(event)
      })
      this.#connection = { engine, stream }
      this.#stopped.signal.throwIfAborted()
      await onConnected(engine, isFirst)
      return this.#connection
    } catch (error) {
      this.#close()
      engine.close()
      throw error
    }
  }

  async #inTime(connect: EngineConnector): Promise<Engine> {
    const late = new AbortController()
    const clear = this.#options.clock.setTimer(() => late.abort(), CONNECT_TIMEOUT_MS)
    try {
      return await connect(AbortSignal.any([late.signal, this.#stopped.signal]))
    } finally {
      clear()
    }
  }

  async #follow(first: Connection): Promise<void> {
    let connection: Connection | undefined = first
    let backoffMs = FIRST_BACKOFF_MS
    while (!this.#stopped.signal.aborted) {
      try {
        connection ??= await this.#open(false)
        backoffMs = FIRST_BACKOFF_MS
        await connection.stream.ended
        this.#lost(new Error('the engine ended the event stream'))
      } catch (error) {
        this.#lost(error)
      }
      connection = undefined
      this.#close()
      await this.#pause(backoffMs)
      backoffMs = Math.min(backoffMs * 2, MAX_BACKOFF_MS)
    }
  }

  #lost(error: unknown): void {
    if (!this.#stopped.signal.aborted) this.#options.onLost(error)
  }

  #close(): void {
    this.#connection?.stream.close()
    this.#connection?.engine.close()
    this.#connection = undefined
  }

  #pause(ms: number): Promise<void> {
    const { signal } = this.#stopped
    return new Promise(resolve => {
      if (signal.aborted) return resolve()
      const clear = this.#options.clock.setTimer(done, ms)
      function done() {
        signal.removeEventListener('abort', done)
        clear()
        resolve()
      }
      signal.addEventListener('abort', done)
    })
  }
}
