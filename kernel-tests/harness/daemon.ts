import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { TRIREME } from './checkout.js'
import { eventually } from './eventually.js'
import type { FlowJSON } from './flow-json.js'
import type { Host } from './hosts.js'
import { type Backend, backendEnvironment } from './iptables-backend.js'
import type { CommandOutcome } from './run-command.js'
import { uniqueName } from './unique-name.js'

export interface DaemonOptions {
  /** The policy as the file would have it; JSON is YAML. */
  readonly policy: unknown
  /** Default: one that all daemons of the tests share. */
  readonly psk?: string
  /** Whatever else the configuration says, over the defaults. */
  readonly config?: Readonly<Record<string, unknown>>
  /** Default `nft`. */
  readonly backend?: Backend
}

export interface DaemonStatus {
  readonly serverID: string
  readonly pus: readonly { readonly name: string; readonly pid?: number }[]
  readonly counters: Readonly<Record<string, number>>
}

const SHARED_PSK = 'a shared secret of the kernel tests'

/** A daemon on a host, with its configuration, policy and secret in a folder of its own. */
export class Daemon {
  readonly host: Host
  readonly serverID: string
  readonly folder: string
  readonly socket: string
  readonly configFile: string
  readonly policyFile: string
  readonly env: NodeJS.ProcessEnv
  #process: ChildProcess | undefined
  #logs = ''

  private constructor(host: Host, serverID: string, folder: string, env: NodeJS.ProcessEnv) {
    this.host = host
    this.serverID = serverID
    this.folder = folder
    this.env = env
    this.socket = join(folder, 'control.sock')
    this.configFile = join(folder, 'trireme.yaml')
    this.policyFile = join(folder, 'policy.yaml')
  }

  /** Writes the files and starts nothing: for tests of bad input. */
  static async prepare(host: Host, options: DaemonOptions): Promise<Daemon> {
    const serverID = uniqueName('daemon')
    const folder = await mkdtemp(join(tmpdir(), `${serverID}-`))
    const daemon = new Daemon(host, serverID, folder, backendEnvironment(options.backend ?? 'nft', folder))
    await writeFile(join(folder, 'psk'), options.psk ?? SHARED_PSK, { mode: 0o600 })
    await daemon.writePolicy(options.policy)
    await daemon.writeConfig(options.config)
    return daemon
  }

  /** Resolves when the daemon is ready: `trireme status` exits 0. */
  static async start(host: Host, options: DaemonOptions): Promise<Daemon> {
    const daemon = await Daemon.prepare(host, options)
    await daemon.start()
    return daemon
  }

  async writePolicy(policy: unknown): Promise<void> {
    await writeFile(this.policyFile, JSON.stringify(policy))
  }

  /** Keys of `config` replace those that every test's daemon has; a key that is undefined is left out. */
  async writeConfig(config: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const base = {
      serverID: this.serverID,
      socket: this.socket,
      stateDir: join(this.folder, 'state'),
      auth: { psk: { file: './psk' } },
      policy: './policy.yaml',
    }
    await writeFile(this.configFile, JSON.stringify({ ...base, ...config }))
    await chmod(this.configFile, 0o600)
  }

  /** Everything that it wrote to its standard error since it was made, over restarts. */
  get logs(): string {
    return this.#logs
  }

  /** Of the process that runs, or ran last. */
  get pid(): number {
    const { pid } = this.#process ?? {}
    if (pid === undefined) throw new Error('the daemon was not started')
    return pid
  }

  get isRunning(): boolean {
    return this.#process !== undefined && this.#process.exitCode === null && this.#process.signalCode === null
  }

  async start(): Promise<void> {
    const argv = this.host.namespace.inside([TRIREME, 'daemon', '--config', this.configFile])
    const [program, ...args] = argv as [string, ...string[]]
    const daemon = spawn(program, args, { env: this.env, stdio: ['ignore', 'ignore', 'pipe'] })
    this.#process = daemon
    daemon.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      this.#logs += chunk
    })
    // The socket is cheap to look for; a command costs a process.
    const isReady = async () =>
      !this.isRunning || (existsSync(this.socket) && (await this.command('status')).code === 0)
    await eventually('the daemon is ready', isReady, { timeoutMs: 60_000 }).catch(error => {
      throw new Error(`daemon not ready\n${this.#logs}`, { cause: error })
    })
    if (!this.isRunning)
      throw new Error(`daemon ended (${daemon.exitCode ?? daemon.signalCode})\n${this.#logs}`)
  }

  /** Runs the daemon in the foreground to its end: for a start that has to fail. */
  runToEnd(prefix: readonly string[] = [], env = this.env): Promise<CommandOutcome> {
    const argv = [...prefix, TRIREME, 'daemon', '--config', this.configFile]
    return this.host.namespace.run(argv, { env, timeoutMs: 20_000 })
  }

  /** SIGTERM, and then the end in good order; the rules stay. */
  async terminate(): Promise<void> {
    await this.#end('SIGTERM')
    if (this.#process?.exitCode !== 0) {
      throw new Error(
        `daemon ended with ${this.#process?.exitCode ?? this.#process?.signalCode}\n${this.#logs}`,
      )
    }
  }

  /** SIGKILL: the crash. */
  async crash(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** `trireme SUBCOMMAND --socket …` on the daemon's host. */
  command(
    subcommand: 'status' | 'flows' | 'reload' | 'uninstall',
    ...args: readonly string[]
  ): Promise<CommandOutcome> {
    return this.host.namespace.run([TRIREME, subcommand, '--socket', this.socket, ...args], { env: this.env })
  }

  async status(): Promise<DaemonStatus> {
    const { code, stdout, stderr } = await this.command('status', '--json')
    if (code !== 0) throw new Error(`status: exit ${code}\n${stderr}`)
    return JSON.parse(stdout) as DaemonStatus
  }

  async flows(): Promise<readonly FlowJSON[]> {
    const { code, stdout, stderr } = await this.command('flows', '--json')
    if (code !== 0) throw new Error(`flows: exit ${code}\n${stderr}`)
    const lines = stdout.split('\n').filter(Boolean)
    return lines.map(line => JSON.parse(line) as FlowJSON)
  }

  /** Waits for a flow record like that; the error shows the records that there were. */
  async flowLike(expected: (record: FlowJSON) => boolean): Promise<FlowJSON> {
    let seen: readonly FlowJSON[] = []
    const find = async () => {
      seen = await this.flows()
      return seen.findLast(expected)
    }
    return eventually('a flow record', find, { timeoutMs: 20_000 }).catch(error => {
      throw new Error(`no such flow record at ${this.serverID}:\n${seen.map(show).join('\n')}`, {
        cause: error,
      })
    })
  }

  /** Ends the daemon, takes away what it made, and its folder. */
  async stop(): Promise<void> {
    await this.#end('SIGKILL')
    await this.uninstall()
    await rm(this.folder, { recursive: true, force: true })
  }

  /** `trireme uninstall --config …`, which needs no daemon. */
  async uninstall(): Promise<CommandOutcome> {
    return this.host.namespace.run([TRIREME, 'uninstall', '--config', this.configFile], { env: this.env })
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (!this.isRunning) return
    process.kill(this.#process!.pid!, signal)
    await eventually(`the daemon ends on ${signal}`, () => !this.isRunning)
  }
}

function show(record: FlowJSON): string {
  return JSON.stringify(record)
}
