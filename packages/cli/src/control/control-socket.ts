import { chmod, mkdir, rm, stat } from 'node:fs/promises'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { CommandFailure, EXIT } from '../failure.js'
import { removeIfEmpty } from '../remove-if-empty.js'
import { type ControlHandlers, type ControlLimits, controlServer } from './control-server.js'
import { SOCKET_FOLDER } from './find-socket.js'

/** sockaddr_un.sun_path less its terminator (unix(7)). */
const MAX_PATH_BYTES = 107

/** Beyond that many that wait, a client's connect fails at once. */
const BACKLOG = 2048

/** How long answers under way may take to reach their clients. */
const CLOSING_MS = 1000

/** A daemon's claim to a control socket: nobody else gets it from now on. */
export interface ControlSocket {
  /** Until then every request is told that the daemon is not ready. */
  serve(handlers: ControlHandlers): void
  /** Ends all connections and removes the socket. */
  close(): Promise<void>
}

/**
 * Listens on a unix socket that only its owner may use (mode 0600), in place of one whose daemon is gone.
 * @throws CommandFailure where another daemon answers on it, or where it cannot be made.
 */
export async function openControlSocket(path: string, limits?: ControlLimits): Promise<ControlSocket> {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new CommandFailure(
      EXIT.badInput,
      `socket ${path}: expected a path of at most ${MAX_PATH_BYTES} bytes`,
    )
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o755 })
  await removeStale(path)
  let handlers: ControlHandlers | undefined
  const server = controlServer(() => handlers, limits)
  await listen(server, path)
  await chmod(path, 0o600)
  return {
    serve(ready) {
      handlers = ready
    },
    async close() {
      handlers = undefined
      await close(server)
      await removeDefaultFolder(path)
    },
  }
}

async function removeStale(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (!found) return
  if (!found.isSocket()) {
    throw new CommandFailure(EXIT.environment, `socket ${path}: there is something else than a socket`)
  }
  if (await answers(path)) {
    throw new CommandFailure(EXIT.environment, `socket ${path}: another daemon is listening on it`)
  }
  await rm(path, { force: true })
}

/**
 * Removes a socket whose daemon is gone. Idempotent.
 * @throws CommandFailure where a daemon answers on it.
 */
export async function removeSocket(path: string): Promise<void> {
  await removeStale(path)
  await removeDefaultFolder(path)
}

/** A folder that a configuration named may have been somebody's before. */
async function removeDefaultFolder(path: string): Promise<void> {
  if (dirname(path) === SOCKET_FOLDER) await removeIfEmpty(SOCKET_FOLDER)
}

function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const connection = connect(path)
    const settle = (isLive: boolean) => {
      connection.destroy()
      resolve(isLive)
    }
    connection.once('connect', () => settle(true))
    // Only a refusal says that nobody listens; a full backlog (EAGAIN) says the opposite.
    connection.once('error', (error: NodeJS.ErrnoException) =>
      settle(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    )
  })
}

/** The socket's mode counts from its first moment, so the umask has to be right when it is bound. */
function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', error =>
      reject(new CommandFailure(EXIT.environment, `socket ${path}: ${error.message}`, { cause: error })),
    )
    const umask = process.umask(0o177)
    server.listen({ path, backlog: BACKLOG }, () => resolve())
    process.umask(umask)
  })
}

async function close(server: Server): Promise<void> {
  const closed = new Promise<void>(resolve => server.close(() => resolve()))
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), CLOSING_MS)
  await closed
  clearTimeout(timer)
}
