import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Family } from '../../packages/supervisor-iptables/src/family.js'
import { poll } from './poll.js'

const run = promisify(execFile)
const TRAFFIC = fileURLToPath(new URL('./traffic.py', import.meta.url))

/** Addresses of the host under test and of its peer, in a trireme network and outside of all. */
export const ADDRESSES: Readonly<
  Record<
    Family,
    {
      readonly inside: readonly [string, string]
      readonly outside: readonly [string, string]
      readonly loopback: string
    }
  >
> = {
  IPv4: { inside: ['10.77.0.1', '10.77.0.2'], outside: ['192.0.2.1', '192.0.2.2'], loopback: '127.0.0.1' },
  IPv6: { inside: ['fd77::1', 'fd77::2'], outside: ['2001:db8::1', '2001:db8::2'], loopback: '::1' },
}

export type Host = 'host' | 'peer'

export interface Outcome {
  readonly result: string
  readonly ms: number
}

export interface Place {
  readonly on: Host
  /** A cgroup of `Lab.cgroup`; without it the process belongs to no PU. */
  readonly cgroup?: string
}

/** A process of the lab and what it has said so far, one parsed JSON value a line. */
export interface Talker {
  readonly lines: readonly unknown[]
  tell(line: string): void
}

/** Two network namespaces joined by veth, cgroups, and processes in them. All of it goes away with `close`. */
export class Lab {
  readonly #names: Readonly<Record<Host, string>>
  readonly #processes: ChildProcess[] = []
  readonly #cgroups: string[] = []

  private constructor(names: Readonly<Record<Host, string>>) {
    this.#names = names
  }

  static async open(name: string): Promise<Lab> {
    const unique = `tri-${process.pid}-${name}`
    const lab = new Lab({ host: `${unique}-h`, peer: `${unique}-p` })
    try {
      await lab.#build()
    } catch (error) {
      await lab.close()
      throw error
    }
    return lab
  }

  netns(host: Host): string {
    return `/run/netns/${this.#names[host]}`
  }

  /** Makes a cgroup and returns its path relative to the cgroup2 mount. */
  cgroup(name: string): string {
    const path = `tri-test-${process.pid}-${this.#cgroups.length}-${name}`
    mkdirSync(`${cgroupRoot()}/${path}`)
    this.#cgroups.push(path)
    return path
  }

  removeCgroup(path: string): void {
    rmdirSync(`${cgroupRoot()}/${path}`)
    this.#cgroups.splice(this.#cgroups.indexOf(path), 1)
  }

  /** Runs a command of traffic.py to its end. */
  async ask(place: Place, ...args: readonly string[]): Promise<Outcome> {
    const { stdout } = await run('nsenter', this.#inside(place, args))
    return JSON.parse(stdout) as Outcome
  }

  /** Starts a command of traffic.py and waits for its first line. */
  async talk(place: Place, ...args: readonly string[]): Promise<Talker> {
    const child = spawn('nsenter', this.#inside(place, args), { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#processes.push(child)
    const lines: unknown[] = []
    let rest = ''
    child.stdout.on('data', chunk => {
      const parts = `${rest}${chunk}`.split('\n')
      rest = parts.pop() ?? ''
      lines.push(...parts.map(line => JSON.parse(line) as unknown))
    })
    await poll(() => lines.length > 0 || child.exitCode !== null)
    if (child.exitCode !== null) throw new Error(`traffic.py ${args.join(' ')}: exit ${child.exitCode}`)
    return { lines, tell: line => void child.stdin.write(`${line}\n`) }
  }

  /** Runs any program in the namespace. */
  async run(host: Host, ...command: readonly string[]): Promise<string> {
    const { stdout } = await run('nsenter', [`--net=${this.netns(host)}`, '--', ...command])
    return stdout
  }

  /** Ends what `talk` started. */
  async hush(): Promise<void> {
    for (const child of this.#processes.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const ended = new Promise(resolve => child.once('exit', resolve))
      child.kill('SIGKILL')
      await ended
    }
  }

  async close(): Promise<void> {
    await this.hush()
    for (const path of [...this.#cgroups]) {
      await poll(() => readFileSync(`${cgroupRoot()}/${path}/cgroup.procs`, 'utf8') === '')
      this.removeCgroup(path)
    }
    for (const name of Object.values(this.#names)) {
      // One that was never made is no failure to take away.
      await run('ip', ['netns', 'delete', name]).catch(() => undefined)
    }
  }

  async #build(): Promise<void> {
    const { host, peer } = this.#names
    await run('ip', ['netns', 'add', host])
    await run('ip', ['netns', 'add', peer])
    await run('ip', ['-n', host, 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v0', 'netns', peer])
    for (const [at, name] of [host, peer].entries()) {
      await run('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
      await run('ip', ['-n', name, 'link', 'set', 'v0', 'up'])
      for (const { inside, outside } of Object.values(ADDRESSES)) {
        for (const address of [inside[at]!, outside[at]!]) await addAddress(name, address)
      }
    }
  }

  #inside({ on, cgroup }: Place, args: readonly string[]): string[] {
    const enter = cgroup === undefined ? ':' : `echo $$ > '${cgroupRoot()}/${cgroup}/cgroup.procs'`
    return [
      `--net=${this.netns(on)}`,
      '--',
      'sh',
      '-c',
      `${enter} && exec "$@"`,
      'sh',
      'python3',
      TRAFFIC,
      ...args,
    ]
  }
}

/** The cgroup2 mount of this machine. */
export function cgroupRoot(): string {
  const mount = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map(line => line.split(' '))
    .find(fields => fields[2] === 'cgroup2')
  if (!mount?.[1]) throw new Error('no cgroup2 mount')
  return mount[1]
}

async function addAddress(name: string, address: string): Promise<void> {
  const isIPv6 = address.includes(':')
  const flags = isIPv6 ? ['nodad'] : []
  await run('ip', ['-n', name, 'address', 'add', `${address}/${isIPv6 ? 64 : 24}`, 'dev', 'v0', ...flags])
}
