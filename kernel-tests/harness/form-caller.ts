import { fileURLToPath } from 'node:url'
import type { Daemon } from './daemon.js'
import { JSONLinesProcess } from './json-lines-process.js'
import { asPU, type ProcessingUnit } from './processing-unit.js'

const PROGRAM = fileURLToPath(new URL('programs/tcp-forms.py', import.meta.url))

/** How a socket of the program's makes its connection; the program says what each means. */
export type Form =
  | 'plain'
  | 'queued write'
  | 'fast open'
  | 'multipath'
  | 'IP options'
  | 'signature'
  | 'close'
  | 'reset'
  | 'silent'

/** At which port, counted from the first, the server's sockets are of which form. */
export const LISTENERS = { plain: 0, deferring: 1, 'fast open': 2, multipath: 3, signed: 4 } as const

export interface FormCall {
  readonly form: Form
  readonly address: string
  readonly port: number
  /** The port to call from. Default: the kernel's choice. */
  readonly from?: number
  /** Seconds. Default 8. */
  readonly timeout?: number
}

/** A process that makes connections of many forms, as a PU. */
export class FormCaller {
  readonly #process: JSONLinesProcess

  private constructor(process: JSONLinesProcess) {
    this.#process = process
  }

  static async start(daemon: Daemon, unit: ProcessingUnit): Promise<FormCaller> {
    const process = new JSONLinesProcess(asPU(daemon, unit, ['python3', PROGRAM, 'call']), daemon.env)
    await process.next()
    return new FormCaller(process)
  }

  /** `exact`, or what went wrong. */
  async call(call: FormCall): Promise<string> {
    this.#process.send(JSON.stringify(call))
    return ((await this.#process.next()) as { readonly outcome: string }).outcome
  }

  stop(): Promise<void> {
    return this.#process.stop()
  }
}

/** A server with listeners of all forms, as a PU; `LISTENERS` has their ports. */
export async function startFormServer(daemon: Daemon, unit: ProcessingUnit): Promise<JSONLinesProcess> {
  const argv = ['python3', PROGRAM, 'serve', String(unit.ports?.[0])]
  const server = new JSONLinesProcess(asPU(daemon, unit, argv), daemon.env)
  await server.next()
  return server
}
