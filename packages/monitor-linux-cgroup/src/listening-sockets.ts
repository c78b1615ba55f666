import { open, readFile } from 'node:fs/promises'

/** A socket that takes what strangers send: a TCP listener, or a UDP socket below the ports that the kernel deals out. */
export interface ListeningSocket {
  readonly port: number
  /** Tells sockets of one network namespace apart; the kernel uses a number again after its socket is gone. */
  readonly inode: number
}

const LISTEN = '0A'
const UNCONNECTED = '07'
const CHUNK_BYTES = 64 * 1024

/** The listening sockets of this process's network namespace. */
export async function readListeningSockets(): Promise<readonly ListeningSocket[]> {
  const firstEphemeral = await readFirstEphemeralPort()
  const lists = await Promise.all([
    readListeners('/proc/net/tcp'),
    readListeners('/proc/net/tcp6'),
    readUDP('/proc/net/udp', firstEphemeral),
    readUDP('/proc/net/udp6', firstEphemeral),
  ])
  return lists.flat()
}

/** One line of `/proc/net/tcp` and its kin (proc_net_tcp.c): `sl local remote state … inode`, ports in hexadecimal. */
export function parseSocketLine(line: string): (ListeningSocket & { readonly state: string }) | undefined {
  const fields = line.trim().split(/\s+/)
  const [, local, , state] = fields
  const [, port] = /:([0-9A-F]{4})$/.exec(local ?? '') ?? []
  if (port === undefined || state === undefined) return undefined
  return { port: Number.parseInt(port, 16), state, inode: Number(fields[9]) }
}

/** The kernel lists all listeners before the first connection, so a host with many connections costs no more. */
async function readListeners(path: string): Promise<readonly ListeningSocket[]> {
  const found: ListeningSocket[] = []
  for await (const line of linesOf(path)) {
    const socket = parseSocketLine(line)
    if (!socket) continue
    if (socket.state !== LISTEN) break
    found.push({ port: socket.port, inode: socket.inode })
  }
  return found
}

/** A port that the kernel dealt out is a client's, whose answers conntrack knows. */
async function readUDP(path: string, firstEphemeral: number): Promise<readonly ListeningSocket[]> {
  const found: ListeningSocket[] = []
  for await (const line of linesOf(path)) {
    const socket = parseSocketLine(line)
    if (socket?.state !== UNCONNECTED || socket.port === 0 || socket.port >= firstEphemeral) continue
    found.push({ port: socket.port, inode: socket.inode })
  }
  return found
}

async function readFirstEphemeralPort(): Promise<number> {
  const text = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
  return Number(text.trim().split(/\s+/)[0])
}

/** A host without IPv6 has no file for it. */
async function* linesOf(path: string): AsyncGenerator<string> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (!file) return
  try {
    const chunk = Buffer.alloc(CHUNK_BYTES)
    let rest = ''
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, chunk.length)
      if (bytesRead === 0) break
      const lines = (rest + chunk.toString('latin1', 0, bytesRead)).split('\n')
      rest = lines.pop()!
      yield* lines
    }
  } finally {
    await file.close()
  }
}
