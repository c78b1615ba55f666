import { JSONLinesProcess } from './json-lines-process.js'

/** How a connect ended: with a connection, or with an errno's name (`TIMEOUT` where nobody answered). */
export type ConnectOutcome =
  | { readonly connected: true; readonly ms: number }
  | { readonly connected: false; readonly error: string; readonly ms: number }

/** What became of bytes that were sent to an echo server. */
export interface Exchange {
  readonly sent: number
  readonly received: number
  readonly equal: boolean
  readonly ms: number
}

/** One connection to an echo server, held by a process of its own. */
export class Session {
  readonly #process: JSONLinesProcess
  readonly outcome: ConnectOutcome

  private constructor(process: JSONLinesProcess, outcome: ConnectOutcome) {
    this.#process = process
    this.outcome = outcome
  }

  /** Resolves when the connect has ended, well or not. `argv` runs the session program. */
  static open(argv: readonly string[], env?: NodeJS.ProcessEnv): Promise<Session> {
    return Session.on(new JSONLinesProcess(argv, env))
  }

  /** The same for a session program that runs already. */
  static async on(process: JSONLinesProcess): Promise<Session> {
    const said = (await process.next()) as { connected?: true; error?: string; ms: number }
    const { error, ms } = said
    return new Session(
      process,
      error === undefined ? { connected: true, ms } : { connected: false, error, ms },
    )
  }

  /** Sends random bytes, awaits as many and compares. Rejects when the connection fails on the way. */
  async exchange(bytes: number): Promise<Exchange> {
    this.#process.send(String(bytes))
    const said = (await this.#process.next(30_000)) as Exchange | { error: string }
    if ('error' in said) throw new Error(`connection failed: ${said.error}`)
    return said
  }

  stop(): Promise<void> {
    return this.#process.stop()
  }
}
