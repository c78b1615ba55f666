import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import {
  type QueueStatistics,
  readQueueStatistics,
} from '../../packages/enforcer-nfq/src/netlink/queue-statistics.js'

const prefix = 'trireme-nfq-'
let count = 0

/** Runs a program to its end and gives its output; throws what it said if it failed. */
export function run(command: string, args: readonly string[], input = ''): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { input, encoding: 'utf8' })
  if (error) throw error
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${status}: ${stderr}`)
  return stdout
}

const file = (name: string) => fileURLToPath(new URL(name, import.meta.url))

/** A network namespace with its loopback up, removed with everything in it by `remove`. */
export class Namespace {
  readonly name = `${prefix}${process.pid}-${++count}`
  readonly path = `/run/netns/${this.name}`
  readonly received: string[] = []
  readonly #ports = new Set<number>()
  #peer: ChildProcess | undefined

  constructor() {
    if (count === 1) removeAbandoned()
    run('ip', ['netns', 'add', this.name])
    run('ip', ['-n', this.name, 'link', 'set', 'lo', 'up'])
  }

  /** UDP port whose datagrams go through this queue number. */
  portOf(queue: number): number {
    return 10_000 + queue
  }

  exec(command: string, args: readonly string[], input?: string): string {
    return run('nsenter', [`--net=${this.path}`, command, ...args], input)
  }

  /** Puts lines of `iptables-restore` into the mangle table. */
  mangle(...rules: readonly string[]): void {
    this.exec('iptables-restore', ['--noflush'], ['*mangle', ...rules, 'COMMIT', ''].join('\n'))
  }

  /** Queues datagrams to the queue's port on their way out. */
  queueOutput(...queues: readonly number[]): void {
    const rule = (queue: number) => `-p udp --dport ${this.portOf(queue)} -j NFQUEUE --queue-num ${queue}`
    this.mangle(...queues.map(queue => `-A OUTPUT ${rule(queue)}`))
    for (const queue of queues) this.#ports.add(this.portOf(queue))
  }

  /** Starts the peer that sends and receives on the ports of all queues so far. */
  async startPeer(): Promise<void> {
    const args = [
      `--net=${this.path}`,
      process.execPath,
      file('udp-peer.mjs'),
      ...[...this.#ports].map(String),
    ]
    const peer = spawn('nsenter', args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#peer = peer
    await new Promise<void>((resolve, reject) => {
      peer.once('exit', code => reject(new Error(`udp-peer: exit ${code}`)))
      createInterface(peer.stdout).on('line', line => {
        if (line === 'ready') resolve()
        else this.received.push(JSON.parse(line) as string)
      })
    })
  }

  send(queue: number, text: string, more: { readonly count?: number; readonly size?: number } = {}): void {
    this.#peer?.stdin?.write(`${JSON.stringify({ port: this.portOf(queue), text, ...more })}\n`)
  }

  /** Sends datagrams while this process's event loop stands still. */
  burst(queue: number, datagrams: number, size: number): void {
    this.exec(process.execPath, [file('udp-burst.mjs'), ...[this.portOf(queue), datagrams, size].map(String)])
  }

  /** The kernel's line about a bound queue. */
  statistics(queue: number): QueueStatistics | undefined {
    const text = this.exec('cat', ['/proc/net/netfilter/nfnetlink_queue'])
    return readQueueStatistics(text).find(line => line.queue === queue)
  }

  async stopPeer(): Promise<void> {
    const peer = this.#peer
    this.#peer = undefined
    if (peer === undefined || peer.exitCode !== null) return
    const ended = new Promise(resolve => peer.once('exit', resolve))
    peer.kill('SIGKILL')
    await ended
  }

  async remove(): Promise<void> {
    try {
      await this.stopPeer()
    } finally {
      run('ip', ['netns', 'del', this.name])
    }
  }
}

/** Removes what a test process that was killed has left behind. */
function removeAbandoned(): void {
  if (!existsSync('/run/netns')) return
  for (const name of readdirSync('/run/netns')) {
    const pid = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : Number.NaN
    if (pid > 0 && !existsSync(`/proc/${pid}`)) run('ip', ['netns', 'del', name])
  }
}
