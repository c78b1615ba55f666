import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { CommandFailure } from '../failure.js'

/** Where daemons put their sockets unless the configuration says otherwise. */
export const SOCKET_FOLDER = '/run/trireme'

/** Users who are not root have sockets of their own. */
function ownFolder(): string {
  const uid = process.geteuid?.() ?? 0
  return uid === 0 ? SOCKET_FOLDER : join(SOCKET_FOLDER, 'users', String(uid))
}

function isSocket(name: string): boolean {
  return name.endsWith('.sock')
}

/**
 * The socket to ask: the one given, else the only one in the folder.
 * @throws CommandFailure with this exit status where there is not exactly one.
 */
export async function findSocket(
  given: string | undefined,
  exitStatus: number,
  folder = ownFolder(),
): Promise<string> {
  if (given !== undefined) return given
  const names = await readdir(folder).catch(() => [])
  const [socket, ...others] = names.filter(isSocket).map(name => join(folder, name))
  if (socket !== undefined && others.length === 0) return socket
  const isElsewhere =
    process.geteuid?.() !== 0 && (await readdir(SOCKET_FOLDER).catch(() => [])).some(isSocket)
  if (socket === undefined && isElsewhere) {
    throw new CommandFailure(
      exitStatus,
      `daemons are running here, and none that you may use (no ${folder}/*.sock): run this as root, or have root name you under \`users\` in the configuration`,
    )
  }
  const message =
    socket === undefined
      ? `no daemon is running here (no ${folder}/*.sock): start one with \`trireme daemon --config FILE\`, or name its socket with --socket`
      : `more than one daemon is running here: name one with --socket ${[socket, ...others].join(' or ')}`
  throw new CommandFailure(exitStatus, message)
}
