import {
  assertMethods,
  assertObject,
  type Factory,
  type Monitor,
  type PURequestProcessor,
  runAll,
  TriremeError,
} from '@trireme/core'
import { eventRoutes } from './event-routes.js'
import { jsonServer, type ServerLimits } from './json-server.js'
import { RequestProcessors } from './request-processors.js'
import { listenOnUnixSocket, type UnixListener } from './unix-listener.js'

/** A socket, and who speaks over it. */
export interface RPCSocket {
  /** At most 107 bytes. */
  readonly path: string
  /**
   * The user who owns the socket and may name PUs of his own processes, whatever tags he gives them: he can claim any identity.
   * Default: the user of this process, who is taken for root.
   */
  readonly uid?: number
}

export interface RPCMonitorOptions {
  readonly sockets: readonly RPCSocket[]
  readonly limits?: ServerLimits
}

export interface RPCMonitorComponents {
  /** By type of PU, one each. */
  readonly processors: Readonly<Record<string, PURequestProcessor>>
}

/** Hears of PUs from other programs, of any language: JSON over unix sockets, one socket for each user who may. */
export function rpcMonitor(options: RPCMonitorOptions): Factory<RPCMonitorComponents, Monitor> {
  assertObject('options', options)
  return components => {
    assertObject('processors', components?.processors)
    const { processors } = components
    for (const [type, each] of Object.entries(processors))
      assertMethods(`processors.${type}`, each, ['handleRequest'])
    return new RPCMonitor(options, new RequestProcessors(processors))
  }
}

class RPCMonitor implements Monitor {
  readonly #options: RPCMonitorOptions
  readonly #processors: RequestProcessors
  #listeners: UnixListener[] | undefined

  constructor(options: RPCMonitorOptions, processors: RequestProcessors) {
    this.#options = options
    this.#processors = processors
  }

  async start(): Promise<void> {
    if (this.#listeners) throw new TriremeError('ERR_ALREADY_STARTED', 'the monitor has been started already')
    const listeners: UnixListener[] = []
    this.#listeners = listeners
    try {
      for (const { path, uid } of this.#options.sockets) {
        const routes = eventRoutes(this.#processors, { uid: uid ?? 0 })
        const server = jsonServer(() => routes, this.#options.limits)
        listeners.push(await listenOnUnixSocket(server, { path, ...(uid === undefined ? {} : { uid }) }))
      }
    } catch (error) {
      await runAll([() => Promise.reject(error), () => this.stop()])
    }
  }

  async stop(): Promise<void> {
    const listeners = this.#listeners ?? []
    this.#listeners = undefined
    await runAll(listeners.map(listener => () => listener.close()))
  }
}
