import http from 'node:http'
import https from 'node:https'
import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { TriremeError } from '@trireme/core'
import { negotiateVersion } from './api-version.js'
import { type ContainerEvent, parseContainerEvent } from './container-event.js'
import { type ContainerInspection, parseInspection } from './container-inspection.js'
import type { Engine, EventStream, ListedContainer } from './engine.js'
import { type EngineTLS, parseEngineAddress } from './engine-address.js'
import { engineFailure } from './engine-failure.js'

export interface DockerodeOptions {
  /** As `DOCKER_HOST` has it. */
  readonly engine: string
  readonly tls?: EngineTLS | undefined
  /** Hears of a message on the event stream that could not be read; the stream goes on. */
  readonly onUnreadable: (error: unknown) => void
}

/** As much of dockerode as is used; its own types know no signals. */
interface DockerClient {
  version(options: { readonly abortSignal: AbortSignal }): Promise<unknown>
  info(options: { readonly abortSignal: AbortSignal }): Promise<unknown>
  getEvents(options: { readonly since: string; readonly filters: string }): Promise<Readable>
  listContainers(options: {
    readonly all: true
  }): Promise<readonly { readonly Id: string; readonly State: ListedContainer['state'] }[]>
  getContainer(id: string): {
    inspect(options: { readonly abortSignal?: AbortSignal }): Promise<unknown>
    kill(options: { readonly signal: string }): Promise<unknown>
  }
}

/** A message longer than this is no event of ours: labels are in it, and a label may have 64 kB. */
const MAX_EVENT_CHARACTERS = 16 * 1024 * 1024
/** Many are open while many containers start; the engine itself never closes one. */
const MAX_IDLE_CONNECTIONS = 4
const NOT_FOUND = 404
const NOT_RUNNING = 409

/**
 * Connects, and finds out what the engine speaks.
 * @throws KernelError where it does not answer; TriremeError `ERR_CONFIG` for a bad address and for an engine that is too old.
 */
export async function connectDockerode(options: DockerodeOptions, signal: AbortSignal): Promise<Engine> {
  // Loaded here: a daemon that has this package, and no engine to speak with, starts without.
  const { default: Docker } = await import('dockerode')
  const clientOf = (modem: object) => new Docker(modem) as unknown as DockerClient
  const address = parseEngineAddress(options.engine, options.tls !== undefined)
  const isTLS = 'protocol' in address && address.protocol === 'https'
  const agent = new (isTLS ? https : http).Agent({ keepAlive: true, maxFreeSockets: MAX_IDLE_CONNECTIONS })
  // Every key is named, for what is not would come from the environment.
  const base = {
    ...{ socketPath: undefined, host: undefined, port: undefined, protocol: 'http' as const },
    ...{ ca: undefined, cert: undefined, key: undefined, timeout: undefined, pathPrefix: '/' },
    ...address,
    ...options.tls,
    agent,
  }
  try {
    const answer = await clientOf(base).version({ abortSignal: signal })
    const apiVersion = negotiateVersion(...versionsOf(answer))
    const docker = clientOf({ ...base, version: `v${apiVersion}` })
    const info = await docker.info({ abortSignal: signal })
    return new DockerodeEngine({ docker, agent, options, apiVersion, ...factsOf(info) })
  } catch (error) {
    agent.destroy()
    if (error instanceof TriremeError) throw error
    throw engineFailure('GET /version', options.engine, error)
  }
}

function versionsOf(answer: unknown): [newest: string, oldest: string | undefined] {
  const { ApiVersion, MinAPIVersion } = (answer ?? {}) as Readonly<Record<string, unknown>>
  if (typeof ApiVersion === 'string') {
    return [ApiVersion, typeof MinAPIVersion === 'string' ? MinAPIVersion : undefined]
  }
  throw new TriremeError('ERR_CONFIG', 'engine: what answers is no Docker Engine: it told no ApiVersion')
}

function factsOf(info: unknown): { readonly rootFolder: string; readonly timeNano: bigint } {
  const { DockerRootDir, SystemTime } = (info ?? {}) as Readonly<Record<string, unknown>>
  const ms = Date.parse(String(SystemTime))
  return {
    rootFolder: typeof DockerRootDir === 'string' ? DockerRootDir : '/var/lib/docker',
    timeNano: BigInt(Number.isNaN(ms) ? Date.now() : ms) * 1_000_000n,
  }
}

interface Connection {
  readonly docker: DockerClient
  readonly agent: http.Agent
  readonly options: DockerodeOptions
  readonly apiVersion: string
  readonly rootFolder: string
  readonly timeNano: bigint
}

class DockerodeEngine implements Engine {
  readonly #connection: Connection
  readonly #docker: DockerClient

  constructor(connection: Connection) {
    this.#connection = connection
    this.#docker = connection.docker
  }

  get apiVersion(): string {
    return this.#connection.apiVersion
  }

  get rootFolder(): string {
    return this.#connection.rootFolder
  }

  get timeNano(): bigint {
    return this.#connection.timeNano
  }

  async subscribe(sinceNano: bigint, onEvent: (event: ContainerEvent) => void): Promise<EventStream> {
    const since = `${sinceNano / 1_000_000_000n}.${String(sinceNano % 1_000_000_000n).padStart(9, '0')}`
    const filters = JSON.stringify({ type: ['container', 'network'] })
    const stream = await this.#request('GET /events', () => this.#docker.getEvents({ since, filters }))
    return readEvents(stream, { onEvent, onUnreadable: this.#connection.options.onUnreadable })
  }

  async list(): Promise<readonly ListedContainer[]> {
    const all = await this.#request('GET /containers/json', () => this.#docker.listContainers({ all: true }))
    return all.map(({ Id, State }) => ({ id: Id, state: State }))
  }

  async inspect(containerID: string, signal?: AbortSignal): Promise<ContainerInspection | undefined> {
    const container = this.#docker.getContainer(containerID)
    try {
      return parseInspection(await container.inspect(signal ? { abortSignal: signal } : {}))
    } catch (error) {
      if (statusOf(error) === NOT_FOUND) return undefined
      if (error instanceof TriremeError) throw error
      throw engineFailure(`GET /containers/${containerID}/json`, this.#connection.options.engine, error)
    }
  }

  async kill(containerID: string): Promise<void> {
    try {
      await this.#docker.getContainer(containerID).kill({ signal: 'SIGKILL' })
    } catch (error) {
      const status = statusOf(error)
      if (status === NOT_FOUND || status === NOT_RUNNING) return
      throw engineFailure(`POST /containers/${containerID}/kill`, this.#connection.options.engine, error)
    }
  }

  close(): void {
    this.#connection.agent.destroy()
  }

  async #request<Answer>(op: string, request: () => Promise<Answer>): Promise<Answer> {
    try {
      return await request()
    } catch (error) {
      throw engineFailure(op, this.#connection.options.engine, error)
    }
  }
}

function statusOf(error: unknown): number | undefined {
  return (error as { statusCode?: number }).statusCode
}

interface EventHandlers {
  readonly onEvent: (event: ContainerEvent) => void
  readonly onUnreadable: (error: unknown) => void
}

/** One JSON value a line, cut anywhere by the chunks in which it comes. */
function readEvents(stream: Readable, { onEvent, onUnreadable }: EventHandlers): EventStream {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  const onLine = (line: string) => {
    if (line.trim() === '') return
    let event: ContainerEvent | undefined
    try {
      event = parseContainerEvent(line)
    } catch (error) {
      onUnreadable(error)
    }
    if (event !== undefined) onEvent(event)
  }
  stream.on('data', (chunk: Buffer) => {
    const lines = (rest + decoder.write(chunk)).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line)
    if (rest.length > MAX_EVENT_CHARACTERS) {
      stream.destroy(new Error(`an event has more than ${MAX_EVENT_CHARACTERS} characters`))
    }
  })
  const ended = new Promise<void>((resolve, reject) => {
    stream.on('error', reject)
    stream.on('close', resolve)
  })
  // Whoever never waits for it has closed it.
  ended.catch(() => {})
  return { ended, close: () => stream.destroy() }
}
