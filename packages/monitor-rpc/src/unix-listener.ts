import { chmod, chown, mkdir, stat, unlink } from 'node:fs/promises'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { KernelError, TriremeError } from '@trireme/core'

/** sockaddr_un.sun_path less its terminator (unix(7)). */
const MAX_PATH_BYTES = 107

/** Beyond that many that wait, a client's connect fails at once. */
const BACKLOG = 2048

/** How long answers under way may take to reach their clients. */
const CLOSING_MS = 1000

/** Where a server listens, and for whom. */
export interface ListenerOptions {
  /** Its folder is made if it is not there. */
  readonly path: string
  /** The one user beside root who may connect, who owns the socket. Default: the user of this process. */
  readonly uid?: number
}

/** A server's claim to a socket: nobody else gets it until it is closed. */
export interface UnixListener {
  /** Ends all connections, answers under way within a second, and removes the socket. */
  close(): Promise<void>
}

/**
 * Listens on a unix socket of mode 0600, in place of one whose server is gone. Connecting takes the permission to write
 * (unix(7)), so the kernel lets in the socket's owner and root, and nobody else.
 * @throws TriremeError `ERR_CONFIG` for a path that does not fit, KernelError where the socket cannot be had.
 */
export async function listenOnUnixSocket(server: Server, options: ListenerOptions): Promise<UnixListener> {
  const { path, uid } = options
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new TriremeError('ERR_CONFIG', `socket ${path}: expected a path of at most ${MAX_PATH_BYTES} bytes`)
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o755 })
  await removeStaleSocket(path)
  await listen(server, path)
  await chmod(path, 0o600)
  if (uid !== undefined) await chown(path, uid, 0)
  return { close: () => close(server) }
}

/**
 * Removes a socket whose server is gone. Idempotent.
 * @throws KernelError where somebody listens on it, or it is none.
 */
export async function removeStaleSocket(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined)
  if (!found) return
  if (!found.isSocket()) {
    throw new KernelError({
      op: 'bind',
      errno: 'EEXIST',
      detail: `socket ${path}: there is something else than a socket`,
    })
  }
  if (await answers(path)) {
    throw new KernelError({
      op: 'bind',
      errno: 'EADDRINUSE',
      detail: `socket ${path}: another daemon is listening on it`,
    })
  }
  await unlinkIfThere(path)
}

/**
 * Not `rm`: its look at a socket stays in what Node's module loader reads next, which then leaves the symbolic links of a
 * package unresolved, so that the package's own imports fail.
 */
async function unlinkIfThere(path: string): Promise<void> {
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
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
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new KernelError({
          op: 'bind',
          errno: error.code ?? 'unknown',
          detail: `socket ${path}: ${error.message}`,
          cause: error,
        }),
      ),
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
