import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import type { FlowRecord, PURecord } from '@trireme/core'
import type { DockerMonitorOptions } from '@trireme/monitor-docker'
import { eventually } from '../harness/eventually.js'
import { JSONLinesProcess } from '../harness/json-lines-process.js'
import { uniqueName } from '../harness/unique-name.js'
import type { DockerEngine } from './docker-engine.js'

const PROGRAM = join(dirname(fileURLToPath(import.meta.url)), 'protect.mjs')

export interface Problem {
  readonly kind: string
  readonly contextID?: string
  readonly error: string
  readonly cause: string
}

export interface Resources {
  /** Resident bytes. */
  readonly rss: number
  /** Open file descriptors. */
  readonly files: number
  /** Of those, network namespaces. */
  readonly namespaces: number
  /** Child processes. */
  readonly children: number
}

interface Message {
  readonly ready?: number
  readonly flow?: FlowRecord
  readonly pu?: PURecord
  readonly problem?: Problem
  readonly done?: unknown
}

export interface ProtectionOptions {
  /** As the policy file has it. */
  readonly policy: unknown
  /** Differs from the one before on the same engine. Default 0. */
  readonly generation?: number
  /** What of the monitor's options is plain data. */
  readonly monitor?: Pick<
    DockerMonitorOptions,
    'engine' | 'tls' | 'gateSocket' | 'syncAtStart' | 'killContainerOnError' | 'enforcement'
  >
  readonly serverID?: string
  /** Whether containers in the host's network are enforced. Default false. */
  readonly hostNetwork?: boolean
}

/** A Trireme with the Docker monitor in a process of its own, in the engine's network namespace. */
export class Protection {
  readonly flows: FlowRecord[] = []
  readonly pus: PURecord[] = []
  readonly problems: Problem[] = []
  readonly #process: JSONLinesProcess
  readonly #answers: unknown[] = []
  #isReady = false
  #failure: unknown

  private constructor(process: JSONLinesProcess) {
    this.#process = process
    void this.#listen()
  }

  /** Resolves when all that runs is enforced. */
  static async start(engine: DockerEngine, options: ProtectionOptions): Promise<Protection> {
    const { policy, generation = 0, monitor = {}, serverID = uniqueName('server') } = options
    const { hostNetwork = false } = options
    const settings = { serverID, engine: engine.address, policy, generation, hostNetwork, monitor }
    const argv = [process.execPath, '--expose-gc', PROGRAM, JSON.stringify(settings)]
    const protection = new Protection(new JSONLinesProcess(engine.namespace.inside(argv)))
    try {
      await eventually(
        'the protection is ready',
        () => protection.#isReady || protection.#failure !== undefined,
        {
          timeoutMs: 30_000,
        },
      )
      if (!protection.#isReady) throw protection.#failure
    } catch (error) {
      await protection.stop()
      throw error
    }
    return protection
  }

  /** Applies a policy to all that runs and to all that will. */
  async apply(policy: unknown): Promise<void> {
    await this.#ask({ policy })
  }

  /** What the process uses, after a garbage collection. */
  async resources(): Promise<Resources> {
    return (await this.#ask({ resources: true })) as Resources
  }

  async list(): Promise<readonly { readonly containerID: string }[]> {
    return (await this.#ask({ list: true })) as readonly { readonly containerID: string }[]
  }

  /** Waits until the container's PU has had that record. */
  async until(containerID: string, event: PURecord['event'], count = 1): Promise<PURecord> {
    const contextID = containerID.slice(0, 12)
    const matching = () => this.pus.filter(each => each.contextID === contextID && each.event === event)
    return eventually(`${count} × ${event} of ${contextID}`, () => matching()[count - 1], {
      timeoutMs: 60_000,
    }).catch(error => {
      const { problems, pus } = this
      throw new Error(`${JSON.stringify({ problems, pus })} ${this.#failure ?? ''}`, { cause: error })
    })
  }

  async stop(): Promise<void> {
    await this.#process.stop()
  }

  async #ask(request: unknown): Promise<unknown> {
    const before = this.#answers.length
    this.#process.send(JSON.stringify(request))
    await eventually('an answer', () => this.#answers.length > before || this.#failure !== undefined, {
      timeoutMs: 60_000,
      everyMs: 5,
    })
    if (this.#answers.length === before) throw this.#failure
    const answer = this.#answers[before]
    if (typeof answer === 'object' && answer !== null && 'error' in answer)
      throw new Error(String(answer.error))
    return answer
  }

  async #listen(): Promise<void> {
    try {
      for (;;) this.#take((await this.#process.next(24 * 3600_000)) as Message)
    } catch (error) {
      this.#failure = error
    }
  }

  #take({ ready, flow, pu, problem, done }: Message): void {
    if (ready !== undefined) this.#isReady = true
    if (flow !== undefined) this.flows.push(flow)
    if (pu !== undefined) this.pus.push(pu)
    if (problem !== undefined) this.problems.push(problem)
    if (done !== undefined) this.#answers.push(done)
  }
}
