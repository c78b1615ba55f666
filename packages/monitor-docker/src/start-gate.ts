import { mkdir, unlink } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import process from 'node:process'
import { KernelError, TriremeError } from '@trireme/core'

/** What a container runtime's hook says of a container that waits: its `state` (OCI runtime specification, "State"). */
export interface WaitingContainer {
  readonly id: string
  /** In the host's PID namespace. */
  readonly pid: number
  /** Folder of its bundle; undefined from a runtime that does not tell it. */
  readonly bundle?: string
}

export interface StartGateOptions {
  readonly socketPath: string
  /** Resolves when the container may start; rejects with why it must not. */
  readonly admit: (waiting: WaitingContainer) => Promise<void>
}

const MAX_REQUEST_CHARACTERS = 64 * 1024

/**
 * Holds containers back until they are enforced. A hook of the container runtime connects to the Unix socket and sends the
 * container's OCI state on one line; the answer is one line too, `{}` or `{ "refused": "why" }`.
 */
export class StartGate {
  readonly #options: StartGateOptions
  readonly #open = new Set<Socket>()
  #server: Server | undefined

  constructor(options: StartGateOptions) {
    this.#options = options
  }

  /** @throws TriremeError `ERR_CONFIG` where another process listens there; KernelError. */
  async start(): Promise<void> {
    const { socketPath } = this.#options
    await mkdir(dirname(socketPath), { recursive: true, mode: 0o700 })
    if (await isListening(socketPath)) {
      throw new TriremeError('ERR_CONFIG', `gate ${socketPath}: another daemon listens there`)
    }
    await unlinkIfThere(socketPath)
    const server = createServer(socket => this.#serve(socket))
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause: NodeJS.ErrnoException) =>
        reject(new KernelError({ op: 'listen', errno: cause.code ?? 'unknown', detail: socketPath, cause })),
      )
      // The socket's mode counts from its first moment, and `listen` binds before it returns.
      const umask = process.umask(0o177)
      server.listen(socketPath, resolve)
      process.umask(umask)
    })
    this.#server = server
  }

  /** Idempotent. Whoever waits is refused. */
  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = new Promise(resolve => server.close(resolve))
    for (const socket of this.#open) socket.destroy()
    await closed
  }

  #serve(socket: Socket): void {
    this.#open.add(socket)
    socket.on('close', () => this.#open.delete(socket))
    // A hook that ran out of time has gone; its runtime has refused the container.
    socket.on('error', () => socket.destroy())
    let request = ''
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      request += chunk
      const end = request.indexOf('\n')
      if (end < 0 && request.length <= MAX_REQUEST_CHARACTERS) return
      socket.removeAllListeners('data')
      void this.#answer(request.slice(0, Math.max(end, 0))).then(answer => {
        if (!socket.destroyed) socket.end(`${JSON.stringify(answer)}\n`)
      })
    })
  }

  async #answer(request: string): Promise<{ readonly refused?: string }> {
    try {
      await this.#options.admit(parseWaiting(request))
      return {}
    } catch (error) {
      return { refused: error instanceof Error ? error.message : String(error) }
    }
  }
}

function parseWaiting(line: string): WaitingContainer {
  const state: unknown = JSON.parse(line)
  const { id, pid, bundle } = (state ?? {}) as Readonly<Record<string, unknown>>
  const isID = typeof id === 'string' && /^[0-9a-f]{12,64}$/.test(id)
  if (!isID || typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid < 1) {
    throw new TypeError(`OCI state ${line.slice(0, 80)}: expected id and pid`)
  }
  return { id, pid, ...(typeof bundle === 'string' && bundle.startsWith('/') && { bundle }) }
}

/** Not `rm`: what it leaves behind of a socket makes Node's module loader take the next symbolic link for a file. */
async function unlinkIfThere(path: string): Promise<void> {
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
}

function isListening(socketPath: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(socketPath)
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
