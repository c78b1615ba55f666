import { type ChildProcess, spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { runAll } from '@trireme/core'
import { eventually } from '../harness/eventually.js'
import type { NetworkNamespace } from '../harness/network-namespace.js'
import { removeCgroup } from '../harness/remove-cgroup.js'
import { type CommandOutcome, mustRun, runCommand } from '../harness/run-command.js'
import { uniqueName } from '../harness/unique-name.js'

/** The applets of busybox that containers find under `/bin`. */
const APPLETS = ['sh', 'sleep', 'cat', 'echo', 'nc', 'ip', 'ls', 'httpd', 'true', 'timeout']

/** What every container of the tests is made of: busybox. */
export const IMAGE = 'box'

/** A Docker Engine in a network namespace, with data, socket and control groups of its own. */
export class DockerEngine {
  readonly namespace: NetworkNamespace
  readonly folder: string
  readonly name: string
  #flags: readonly string[] = []
  #process: ChildProcess | undefined
  #logs = ''

  private constructor(namespace: NetworkNamespace, name: string, folder: string) {
    this.namespace = namespace
    this.name = name
    this.folder = folder
  }

  /** Resolves when it answers and has the image. */
  static async start(namespace: NetworkNamespace, flags: readonly string[] = []): Promise<DockerEngine> {
    const engine = await DockerEngine.prepare(namespace)
    try {
      await engine.begin(flags)
      await engine.importImage()
    } catch (error) {
      await engine.stop()
      throw error
    }
    return engine
  }

  /** Its folder, and nothing that runs. */
  static async prepare(namespace: NetworkNamespace): Promise<DockerEngine> {
    const name = uniqueName('engine')
    const folder = await mkdtemp(join(tmpdir(), `${name}-`))
    await writeFile(join(folder, 'daemon.json'), '{}')
    return new DockerEngine(namespace, name, folder)
  }

  get socket(): string {
    return join(this.folder, 'docker.sock')
  }

  /** As `DOCKER_HOST` has it. */
  get address(): string {
    return `unix://${this.socket}`
  }

  /** Under this name, leftovers of tests that died are swept away. */
  get cgroup(): string {
    return `trireme-${this.name}`
  }

  get configFile(): string {
    return join(this.folder, 'daemon.json')
  }

  get pid(): number {
    return this.#process?.pid ?? 0
  }

  get logs(): string {
    return this.#logs
  }

  /** Starts the engine, the first time or again, then with the flags that it had. Resolves when it answers. */
  async begin(flags = this.#flags): Promise<void> {
    this.#flags = flags
    // A mount namespace of its own: what it mounts goes with it.
    const [program, ...args] = this.namespace.inside([
      ...['unshare', '--mount', '--propagation', 'private', 'dockerd'],
      ...['--data-root', join(this.folder, 'data'), '--exec-root', join(this.folder, 'exec')],
      ...['-H', this.address, '--pidfile', join(this.folder, 'pid'), '--storage-driver', 'vfs'],
      ...['--cgroup-parent', `/${this.cgroup}`, '--config-file', this.configFile, ...this.#flags],
    ]) as [string, ...string[]]
    const engine = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#process = engine
    engine.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      this.#logs = (this.#logs + chunk).slice(-3000)
    })
    await eventually(
      'the engine answers',
      async () => !this.#isRunning || (await this.docker('version')).code === 0,
      { timeoutMs: 20_000, everyMs: 100 },
    )
    if (!this.#isRunning) throw new Error(`the engine ended\n${this.#logs}`)
  }

  /** Ends the engine in good order. Its containers end with it, but for those of an engine with live restore. */
  async end(): Promise<void> {
    if (!this.#isRunning) return
    process.kill(this.pid, 'SIGTERM')
    await eventually('the engine ends', () => !this.#isRunning, { timeoutMs: 30_000 }).catch(error => {
      process.kill(this.pid, 'SIGKILL')
      throw error
    })
  }

  /** Runs the docker client. */
  docker(...args: readonly string[]): Promise<CommandOutcome> {
    return runCommand(['docker', '-H', this.address, ...args], { timeoutMs: 60_000 })
  }

  async mustDocker(...args: readonly string[]): Promise<string> {
    return (await mustRun(['docker', '-H', this.address, ...args], { timeoutMs: 60_000 })).trim()
  }

  /** Starts a container in the background and answers with its ID, 64 digits. */
  run(flags: readonly string[], ...command: readonly string[]): Promise<string> {
    return this.mustDocker('run', '-d', ...flags, IMAGE, ...command)
  }

  /** A Go template over the inspection: `{{.State.Pid}}`. */
  inspect(container: string, template: string): Promise<string> {
    return this.mustDocker('inspect', '-f', template, container)
  }

  async pidOf(container: string): Promise<number> {
    return Number(await this.inspect(container, '{{.State.Pid}}'))
  }

  /** Removes containers, control groups and files with the engine; also what a failure has left of them. */
  async stop(): Promise<void> {
    await runAll([
      () => this.#removeContainers(),
      () => this.end(),
      () => removeCgroups(this.cgroup),
      () => rm(this.folder, { recursive: true, force: true, maxRetries: 5 }),
    ])
  }

  async #removeContainers(): Promise<void> {
    if (!this.#isRunning) return
    const ids = (await this.docker('ps', '-aq')).stdout.split('\n').filter(Boolean)
    if (ids.length > 0) await this.docker('rm', '-f', ...ids)
  }

  get #isRunning(): boolean {
    return this.#process !== undefined && this.#process.exitCode === null && this.#process.signalCode === null
  }

  /** Makes the image that all containers are of. */
  async importImage(): Promise<void> {
    const rootfs = join(this.folder, 'rootfs')
    await mkdir(join(rootfs, 'bin'), { recursive: true })
    await mkdir(join(rootfs, 'etc'))
    await cp('/usr/bin/busybox', join(rootfs, 'bin', 'busybox'))
    for (const applet of APPLETS) await symlink('busybox', join(rootfs, 'bin', applet))
    const archive = join(this.folder, 'image.tar')
    await mustRun(['tar', '-C', rootfs, '-cf', archive, '.'])
    await this.mustDocker('import', archive, IMAGE)
  }
}

/** The engine makes a folder of that name in every hierarchy. */
async function removeCgroups(name: string): Promise<void> {
  for (const hierarchy of await readdir('/sys/fs/cgroup')) {
    await removeCgroup(join('/sys/fs/cgroup', hierarchy, name))
  }
}
