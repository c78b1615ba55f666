import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { KernelError } from '@trireme/core'

const execute = promisify(execFile)

/** A socket as `ss` prints it: addresses as its filters take them. */
export interface PrintedSocket {
  readonly protocol: 'tcp' | 'udp'
  readonly state: string
  readonly local: string
  readonly peer: string
  readonly inode: number
}

const MAX_BYTES = 64 * 1024 * 1024

/**
 * Ends the connections that these sockets hold, and closes their unconnected UDP sockets, which never say with whom they speak.
 * Listeners stay.
 * @throws KernelError where the kernel cannot (CONFIG_INET_DIAG_DESTROY); then some may go on.
 */
export async function resetConnections(inodes: ReadonlySet<number>): Promise<void> {
  for (const socket of await openSockets(inodes)) {
    const filter = ['src', socket.local, ...(socket.peer.endsWith(':*') ? [] : ['dst', socket.peer])]
    await runSS([`-K${socket.protocol === 'tcp' ? 't' : 'u'}anH`, ...filter])
  }
  const left = await openSockets(inodes)
  if (left.length === 0) return
  const detail = left.map(({ protocol, local, peer }) => `${protocol} ${local} → ${peer}`).join(', ')
  throw new KernelError({ op: 'SOCK_DESTROY', errno: 'EOPNOTSUPP', detail: `still open: ${detail}` })
}

async function openSockets(inodes: ReadonlySet<number>): Promise<readonly PrintedSocket[]> {
  const sockets = parsePrintedSockets(await runSS(['-tuanHe']))
  return sockets.filter(({ inode, state }) => inodes.has(inode) && state !== 'LISTEN')
}

/** Reads `ss -tuanHe`: protocol, state, two queues, both addresses, and words such as `ino:4711`. */
export function parsePrintedSockets(text: string): readonly PrintedSocket[] {
  return text.split('\n').flatMap(line => {
    const [protocol, state, , , local, peer, ...rest] = line.trim().split(/\s+/)
    const inode = Number(/\bino:(\d+)/.exec(rest.join(' '))?.[1])
    if ((protocol !== 'tcp' && protocol !== 'udp') || !state || !local || !peer || !inode) return []
    return [{ protocol, state, local, peer, inode }]
  })
}

async function runSS(args: readonly string[]): Promise<string> {
  try {
    return (await execute('ss', args, { maxBuffer: MAX_BYTES })).stdout
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new KernelError({ op: 'ss', errno: String(code), detail: (error as Error).message, cause: error })
  }
}
