import { fileURLToPath } from 'node:url'
import { JSONLinesProcess } from './json-lines-process.js'
import type { NetworkNamespace } from './network-namespace.js'

const PROGRAM = fileURLToPath(new URL('programs/raw-sender.py', import.meta.url))

/** Sends packets byte by byte as they are, from a namespace. */
export class RawSender {
  readonly #process: JSONLinesProcess
  /** Answers come in the order of the packets. */
  #last: Promise<unknown> = Promise.resolve()

  private constructor(process: JSONLinesProcess) {
    this.#process = process
  }

  /** `device` is the one that `sendFrame` uses. */
  static async start(namespace: NetworkNamespace, device = 'lo'): Promise<RawSender> {
    const sender = new RawSender(new JSONLinesProcess(namespace.inside(['python3', PROGRAM, device])))
    await sender.#process.next()
    return sender
  }

  /** As a process of the namespace with CAP_NET_RAW would: through OUTPUT. Resolves when the kernel has taken it. */
  send(packet: Uint8Array): Promise<void> {
    return this.#send(`ip ${Buffer.from(packet).toString('hex')}`)
  }

  /** Out of the device, past every rule of the namespace; on loopback that is in. */
  sendFrame(packet: Uint8Array): Promise<void> {
    return this.#send(`frame ${Buffer.from(packet).toString('hex')}`)
  }

  stop(): Promise<void> {
    return this.#process.stop()
  }

  #send(line: string): Promise<void> {
    this.#process.send(line)
    const sent = this.#last.then(async () => {
      const answer = await this.#process.next()
      if (answer !== 'sent') throw new Error(`raw packet not sent: ${JSON.stringify(answer)}`)
    })
    this.#last = sent.catch(() => undefined)
    return sent
  }
}
