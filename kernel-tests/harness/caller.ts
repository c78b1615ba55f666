import { program } from './checkout.js'
import type { Daemon } from './daemon.js'
import { JSONLinesProcess } from './json-lines-process.js'
import { asPU, type ProcessingUnit } from './processing-unit.js'

/** How a call ended: with the client's port and all that came, or with an errno's name, `END` or `TIMEOUT`. */
export type CallOutcome = { readonly port: number; readonly answer: string } | { readonly error: string }

export interface Call {
  readonly address: string
  readonly port: number
  /** Without spaces. */
  readonly text: string
  /** The port to call from. Default: the kernel's choice. */
  readonly from?: number
}

/** A process that makes one connection to a recorder after the other: says a word, is heard, and resets. */
export class Caller {
  readonly #process: JSONLinesProcess

  private constructor(process: JSONLinesProcess) {
    this.#process = process
  }

  static async start(daemon: Daemon, unit: ProcessingUnit): Promise<Caller> {
    return Caller.on(asPU(daemon, unit, program('caller')), daemon.env)
  }

  /** One that `argv` runs. */
  static async on(argv: readonly string[], env?: NodeJS.ProcessEnv): Promise<Caller> {
    const caller = new Caller(new JSONLinesProcess(argv, env))
    await caller.#process.next()
    return caller
  }

  async call({ address, port, text, from }: Call): Promise<CallOutcome> {
    this.#process.send([address, port, text, ...(from === undefined ? [] : [from])].join(' '))
    return (await this.#process.next()) as CallOutcome
  }

  stop(): Promise<void> {
    return this.#process.stop()
  }
}
