import { NLM_F_DUMP, NLM_F_REQUEST, NLMSG_HDRLEN } from './message.js'
import { NetlinkSocket } from './socket.js'
import { type FoundSocket, parseSocketDetails } from './socket-details.js'
import { NETLINK_SOCK_DIAG } from './socket-end.js'

/** One end of a TCP connection as a packet names it, and the other. Addresses have 16 bytes, IPv4 in its mapped form. */
export interface SocketEnds {
  readonly localAddress: Uint8Array
  readonly localPort: number
  readonly peerAddress: Uint8Array
  /** 0: whoever it is; then the kernel names a listener, never a connection. */
  readonly peerPort: number
  /** Of the interface by which the packet came: sockets may be bound to one. 0 for none. */
  readonly interfaceIndex: number
}

const SOCK_DIAG_BY_FAMILY = 20
const IPPROTO_TCP = 6
export const AF_INET = 2
export const AF_INET6 = 10
const INET_DIAG_TCLASS = 6
/** The class ID comes with the traffic class. */
const EXTENSIONS = 1 << (INET_DIAG_TCLASS - 1)
const REQUEST_LENGTH = NLMSG_HDRLEN + 56
const STATES = NLMSG_HDRLEN + 4
const SOCKID = NLMSG_HDRLEN + 8
const INTERFACE = SOCKID + 36
const COOKIE = SOCKID + 40
const TCP_LISTEN = 10
const NOCOOKIE = 0xffff_ffff
const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff)

/** Asks the kernel of one network namespace who would take a packet: `inet_diag` (`net/ipv4/inet_diag.c`), synchronously. */
export class SocketQuery {
  readonly #socket: NetlinkSocket
  readonly #one = request(NLM_F_REQUEST)
  readonly #all = request(NLM_F_REQUEST | NLM_F_DUMP)

  private constructor(socket: NetlinkSocket) {
    this.#socket = socket
  }

  /** @throws KernelError `ENOENT` where the kernel has no `tcp_diag`. */
  static open(netns?: string): SocketQuery {
    const query = new SocketQuery(NetlinkSocket.open({ protocol: NETLINK_SOCK_DIAG, netns }))
    try {
      query.listeners(AF_INET, 1)
      return query
    } catch (error) {
      query.close()
      throw error
    }
  }

  /**
   * The socket to which the kernel would give a TCP packet from the peer (`inet_lookup`): the connection of exactly these ends, else
   * the listener that it would choose, of a SO_REUSEPORT group the member by the same hash. Throws `KernelError`.
   */
  find(ends: SocketEnds): FoundSocket | undefined {
    const { bytes, view } = this.#one
    const seq = this.#socket.nextSeq()
    view.setUint32(8, seq, true)
    const isMapped = isMappedAddress(ends.localAddress)
    bytes[NLMSG_HDRLEN] = isMapped ? AF_INET : AF_INET6
    view.setUint16(SOCKID, ends.localPort)
    view.setUint16(SOCKID + 2, ends.peerPort)
    writeAddress(bytes, SOCKID + 4, ends.localAddress, isMapped)
    writeAddress(bytes, SOCKID + 20, ends.peerAddress, isMapped)
    view.setUint32(INTERFACE, ends.interfaceIndex, true)
    const answer = this.#socket.ask('SOCK_DIAG_BY_FAMILY', bytes, seq)
    return answer && parseSocketDetails(answer, seq)[0]
  }

  /** Everything that listens at the port in a family. Throws `KernelError`. */
  listeners(family: number, port: number): readonly FoundSocket[] {
    const { bytes, view } = this.#all
    const seq = this.#socket.nextSeq()
    view.setUint32(8, seq, true)
    bytes[NLMSG_HDRLEN] = family
    view.setUint32(STATES, 1 << TCP_LISTEN, true)
    view.setUint16(SOCKID, port)
    const answers = this.#socket.dump('SOCK_DIAG_BY_FAMILY', bytes, seq)
    return answers.flatMap(answer => parseSocketDetails(answer, seq))
  }

  close(): void {
    this.#socket.close()
  }
}

export function isMappedAddress(address: Uint8Array): boolean {
  for (let index = 0; index < MAPPED.length; index++) if (address[index] !== MAPPED[index]) return false
  return true
}

function writeAddress(bytes: Uint8Array, at: number, address: Uint8Array, isMapped: boolean): void {
  if (!isMapped) bytes.set(address, at)
  else {
    bytes.fill(0, at, at + 16)
    for (let index = 0; index < 4; index++) bytes[at + index] = address[12 + index]!
  }
}

function request(flags: number) {
  const bytes = new Uint8Array(REQUEST_LENGTH)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, REQUEST_LENGTH, true)
  view.setUint16(4, SOCK_DIAG_BY_FAMILY, true)
  view.setUint16(6, flags, true)
  bytes[NLMSG_HDRLEN + 1] = IPPROTO_TCP
  bytes[NLMSG_HDRLEN + 2] = EXTENSIONS
  view.setUint32(STATES, NOCOOKIE, true)
  view.setUint32(COOKIE, NOCOOKIE, true)
  view.setUint32(COOKIE + 4, NOCOOKIE, true)
  return { bytes, view }
}
