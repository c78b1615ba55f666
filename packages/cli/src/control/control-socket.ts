import { mkdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { runAll } from '@trireme/core'
import {
  eventRoutes,
  jsonServer,
  listenOnUnixSocket,
  type Routes,
  removeStaleSocket,
  type ServerLimits,
  type UnixListener,
} from '@trireme/monitor-rpc'
import { removeIfEmpty } from '../remove-if-empty.js'
import { type ControlHandlers, controlRoutes } from './control-routes.js'
import { SOCKET_FOLDER } from './find-socket.js'

/** A daemon's claim to its control sockets: nobody else gets them from now on. */
export interface ControlSocket {
  /** Until then every request is told that the daemon is not ready. */
  serve(handlers: ControlHandlers): void
  /** Ends all connections and removes the sockets. */
  close(): Promise<void>
}

export interface ControlSocketOptions {
  /** Root's. */
  readonly path: string
  /** Users who get a socket of their own, over which they make PUs of their own processes. Default nobody. */
  readonly users?: readonly number[]
  readonly limits?: ServerLimits
}

/**
 * Listens on unix sockets that only their owners may use (mode 0600), in place of those whose daemon is gone.
 * @throws TriremeError `ERR_CONFIG`, KernelError where another daemon answers, or a socket cannot be made.
 */
export async function openControlSocket(options: ControlSocketOptions): Promise<ControlSocket> {
  const { path, users = [], limits } = options
  let handlers: ControlHandlers | undefined
  const listeners: UnixListener[] = []
  const listen = async (at: { readonly path: string; readonly uid?: number }, routesOf: RoutesOf) => {
    const server = jsonServer(() => handlers && routesOf(handlers), limits)
    listeners.push(await listenOnUnixSocket(server, at))
  }
  const close = async () => {
    handlers = undefined
    await runAll(listeners.splice(0).map(listener => () => listener.close()))
    await removeFolders(path, users)
  }
  try {
    await listen({ path }, controlRoutes)
    for (const uid of users) {
      await mkdir(dirname(userSocket(path, uid)), { recursive: true, mode: 0o755 })
      await listen({ path: userSocket(path, uid), uid }, each => eventRoutes(each.events, { uid }))
    }
  } catch (error) {
    await runAll([() => Promise.reject(error), close])
  }
  return {
    serve(ready) {
      handlers = ready
    },
    close,
  }
}

type RoutesOf = (handlers: ControlHandlers) => Routes

/** Where a user's socket lies, given root's. */
export function userSocket(path: string, uid: number): string {
  return join(dirname(path), 'users', String(uid), basename(path))
}

/**
 * Removes sockets whose daemon is gone. Idempotent.
 * @throws KernelError where a daemon answers.
 */
export async function removeSocket(path: string, users: readonly number[] = []): Promise<void> {
  await removeStaleSocket(path)
  for (const uid of users) await removeStaleSocket(userSocket(path, uid))
  await removeFolders(path, users)
}

/** A folder that a configuration named may have been somebody's before. */
async function removeFolders(path: string, users: readonly number[]): Promise<void> {
  for (const uid of users) await removeIfEmpty(dirname(userSocket(path, uid)))
  if (users.length > 0) await removeIfEmpty(join(dirname(path), 'users'))
  if (dirname(path) === SOCKET_FOLDER) await removeIfEmpty(SOCKET_FOLDER)
}
