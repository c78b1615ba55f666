import { type Clock, KernelError } from '@trireme/core'
import type { ContainerEvent } from './container-event.js'
import type { Engine, EngineConnector, EventStream } from './engine.js'

const FIRST_BACKOFF_MS = 100
const MAX_BACKOFF_MS = 5000
const CONNECT_TIMEOUT_MS = 10_000
/** An engine that is starting accepts connections and does not answer; a start that waits for it in the background need not. */
const FIRST_CONNECT_TIMEOUT_MS = 2000

export interface EngineSessionOptions {
  readonly connect: EngineConnector
  readonly clock: Clock
  readonly onEvent: (event: ContainerEvent) => void
  /** Whether `start` resolves without an engine that does not answer, and the session waits for it. */
  readonly waits: boolean
  /** Called with each connection, once its events flow. Rejecting ends the connection; the first one is the first that it resolves for. */
  readonly onConnected: (engine: Engine, isFirst: boolean) => Promise<void>
  /** Called when there is a connection after one that was lost, or awaited. */
  readonly onBack: () => void
  /** Called once for each connection that ends, and for each attempt that fails; awaited is an engine that was never there. */
  readonly onLost: (error: unknown, kind: 'engine-awaited' | 'engine-lost') => void
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
  #isFirst = true
  #isMissed = false
  #following: Promise<void> = Promise.resolve()

  constructor(options: EngineSessionOptions) {
    this.#options = options
  }

  get engine(): Engine | undefined {
    return this.#connection?.engine
  }

  /**
   * Rejects where the engine cannot be reached; nothing is tried again then. A session that waits rejects only for an engine that will
   * never do: one that is too old, say.
   */
  async start(): Promise<void> {
    const { waits } = this.#options
    try {
      const connection = await this.#open(waits ? FIRST_CONNECT_TIMEOUT_MS : CONNECT_TIMEOUT_MS)
      this.#following = this.#follow(connection)
    } catch (error) {
      if (!waits || !(error instanceof KernelError)) throw error
      this.#lost(error)
      this.#following = this.#follow(undefined)
    }
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

  async #open(timeoutMs = CONNECT_TIMEOUT_MS): Promise<Connection> {
    const { connect, onEvent, onConnected } = this.#options
    const engine = await this.#inTime(connect, timeoutMs)
    if (this.#sinceNano === 0n) this.#sinceNano = engine.timeNano
    try {
      const stream = await engine.subscribe(this.#sinceNano, event => {
        if (event.timeNano >= this.#sinceNano) this.#sinceNano = event.timeNano + 1n
        onEvent(event)
      })
      this.#connection = { engine, stream }
      this.#stopped.signal.throwIfAborted()
      if (this.#isMissed) this.#options.onBack()
      this.#isMissed = false
      await onConnected(engine, this.#isFirst)
      this.#isFirst = false
      return this.#connection
    } catch (error) {
      this.#close()
      engine.close()
      throw error
    }
  }

  async #inTime(connect: EngineConnector, timeoutMs: number): Promise<Engine> {
    const late = new AbortController()
    const clear = this.#options.clock.setTimer(() => late.abort(), timeoutMs)
    try {
      return await connect(AbortSignal.any([late.signal, this.#stopped.signal]))
    } finally {
      clear()
    }
  }

  async #follow(first: Connection | undefined): Promise<void> {
    let connection = first
    let backoffMs = FIRST_BACKOFF_MS
    if (connection === undefined) await this.pause(backoffMs)
    while (!this.#stopped.signal.aborted) {
      try {
        connection ??= await this.#open()
        backoffMs = FIRST_BACKOFF_MS
        await connection.stream.ended
        this.#lost(new Error('the engine ended the event stream'))
      } catch (error) {
        this.#lost(error)
      }
      connection = undefined
      this.#close()
      await this.pause(backoffMs)
      backoffMs = Math.min(backoffMs * 2, MAX_BACKOFF_MS)
    }
  }

  #lost(error: unknown): void {
    if (this.#stopped.signal.aborted) return
    this.#isMissed = true
    this.#options.onLost(error, this.#isFirst ? 'engine-awaited' : 'engine-lost')
  }

  #close(): void {
    this.#connection?.stream.close()
    this.#connection?.engine.close()
    this.#connection = undefined
  }

  /** Resolves after so long, or when the session stops. */
  pause(ms: number): Promise<void> {
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
