import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { eventually } from './eventually.js'
import type { NetworkNamespace } from './network-namespace.js'

/** A TCP segment as tcpdump saw it on the wire. */
export interface CapturedSegment {
  /** tcpdump's letters: `S`, `S.`, `.`, `P.`, `R`, … */
  readonly flags: string
  /** Bytes of TCP payload. */
  readonly length: number
  readonly sourcePort: number
  readonly destinationPort: number
  /** tcpdump's words; the overlay's option (kind 254) is `exp-5472`. */
  readonly options: string
}

/** tcpdump on one interface of a namespace, for TCP segments from or to a port. */
export class PacketCapture {
  readonly #process: ChildProcessByStdio<null, Readable, Readable>
  #printed = ''
  #said = ''

  private constructor(process: ChildProcessByStdio<null, Readable, Readable>) {
    this.#process = process
    process.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      this.#printed += chunk
    })
    process.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      this.#said += chunk
    })
  }

  /** Resolves when tcpdump listens. */
  static async start(namespace: NetworkNamespace, device: string, port: number): Promise<PacketCapture> {
    const tcpdump = [
      'tcpdump',
      '-i',
      device,
      '-n',
      '-l',
      '--immediate-mode',
      '-tt',
      'tcp',
      'port',
      String(port),
    ]
    const [program, ...args] = namespace.inside(tcpdump) as [string, ...string[]]
    const capture = new PacketCapture(spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] }))
    await eventually('tcpdump listens', () => capture.#said.includes('listening on'))
    return capture
  }

  /** What was seen so far, in order. On loopback tcpdump shows a segment once. */
  segments(): readonly CapturedSegment[] {
    return this.#printed
      .split('\n')
      .map(parseSegment)
      .filter(segment => segment !== undefined)
  }

  /** Waits for a segment like that. */
  first(expected: (segment: CapturedSegment) => boolean): Promise<CapturedSegment> {
    return eventually('a captured segment', () => this.segments().find(expected), { timeoutMs: 20_000 })
  }

  async stop(): Promise<void> {
    this.#process.kill('SIGTERM')
    await eventually(
      'tcpdump ended',
      () => this.#process.exitCode !== null || this.#process.signalCode !== null,
    )
  }
}

const LINE =
  /^\S+ IP6? \S+[.](\d+) > \S+[.](\d+): Flags \[([^\]]+)\],(?:.* options \[([^\]]*)\],)?.* length (\d+)/

function parseSegment(line: string): CapturedSegment | undefined {
  const match = LINE.exec(line)
  if (match === null) return undefined
  const [, sourcePort, destinationPort, flags = '', options = '', length] = match
  return {
    flags,
    options,
    length: Number(length),
    sourcePort: Number(sourcePort),
    destinationPort: Number(destinationPort),
  }
}
