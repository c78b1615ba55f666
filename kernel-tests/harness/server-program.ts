import { type ChildProcess, spawn } from 'node:child_process'
import type { Daemon } from './daemon.js'
import { eventually } from './eventually.js'
import { asPU, type ProcessingUnit } from './processing-unit.js'

/** A real server, unmodified, as a PU: started, and ended by SIGTERM. */
export class ServerProgram {
  readonly #process: ChildProcess
  #said = ''

  private constructor(process: ChildProcess) {
    this.#process = process
    for (const stream of [process.stdout!, process.stderr!]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        this.#said += chunk
      })
    }
  }

  /** Resolves when every port of the unit is listened on. */
  static async start(daemon: Daemon, unit: ProcessingUnit, argv: readonly string[]): Promise<ServerProgram> {
    const [program, ...args] = asPU(daemon, unit, argv) as [string, ...string[]]
    // rsync takes a socket on its standard input for a connection to serve.
    const server = new ServerProgram(
      spawn(program, args, { env: daemon.env, stdio: ['ignore', 'pipe', 'pipe'] }),
    )
    try {
      await eventually(`${argv[0]} listens`, async () => {
        if (server.#hasEnded) return true
        const listening = await daemon.host.namespace.mustRun(['ss', '-Hltn'])
        return (unit.ports ?? []).every(port => listening.includes(`:${port} `))
      })
      if (server.#hasEnded) throw new Error('it ended')
      return server
    } catch (error) {
      await server.stop()
      throw new Error(`${argv.join(' ')}: ${server.#said}`, { cause: error })
    }
  }

  async stop(): Promise<void> {
    this.#process.kill('SIGTERM')
    await eventually('the server ended', () => this.#hasEnded).catch(async () => {
      this.#process.kill('SIGKILL')
      await eventually('the killed server ended', () => this.#hasEnded)
    })
  }

  get #hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }
}
