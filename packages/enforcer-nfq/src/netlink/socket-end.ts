import { NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_HDRLEN } from './message.js'
import type { NetlinkMessage } from './socket.js'

/**
 * Messages of NETLINK_SOCK_DIAG (`linux/sock_diag.h`, `linux/inet_diag.h`). Ports and addresses are in network order, the rest
 * in host order.
 *
 * ```
 * inet_diag_req_v2  u8 family | u8 protocol | u8 ext | u8 pad | u32 states | inet_diag_sockid
 * inet_diag_msg     u8 family | u8 state | u8 timer | u8 retrans | inet_diag_sockid | …
 * inet_diag_sockid  be16 sport | be16 dport | be32 src[4] | be32 dst[4] | u32 if | u32 cookie[2]
 * ```
 */

export const NETLINK_SOCK_DIAG = 4

const SOCK_DIAG_BY_FAMILY = 20
const SOCK_DESTROY = 21
const IPPROTO_TCP = 6
const AF_INET = 2
/** Bits of `enum` TCP_ESTABLISHED …, all but TCP_LISTEN (10) (`net/tcp_states.h`). */
const ALL_BUT_LISTENING = 0xffff_ffff & ~(1 << 10)
const SOCKID_BYTES = 48
const REQUEST_BYTES = NLMSG_HDRLEN + 8 + SOCKID_BYTES
const PORTS_BYTES = 4

/** A socket as the kernel listed it. */
export interface DiagSocket {
  readonly family: number
  /** `inet_diag_sockid`, cookie included: it names this socket and no later one of the same tuple. */
  readonly id: Uint8Array
  /** The flow key of the packets that it sends. */
  readonly key: string
}

/** Asks for all TCP sockets of a family but those that listen. */
export function socketDumpMessage(family: number, seq: number): Uint8Array {
  return request(SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, seq, family).bytes
}

/** Ends a socket as `tcp_abort` does: its owner sees ECONNABORTED, its peer a reset. */
export function socketDestroyMessage({ family, id }: DiagSocket, seq: number): Uint8Array {
  const { bytes } = request(SOCK_DESTROY, NLM_F_REQUEST | NLM_F_ACK, seq, family)
  bytes.set(id, NLMSG_HDRLEN + 8)
  return bytes
}

/** The socket in a message, or undefined where it is too short to be one. */
export function parseSocket({ view, start, end }: NetlinkMessage): DiagSocket | undefined {
  const at = start + NLMSG_HDRLEN + 4
  if (at + SOCKID_BYTES > end) return undefined
  const family = view.getUint8(start + NLMSG_HDRLEN)
  const id = new Uint8Array(view.buffer, view.byteOffset + at, SOCKID_BYTES).slice()
  const key = Buffer.alloc(36)
  key.set(address(family, id, PORTS_BYTES), 0)
  key.set(id.subarray(0, 2), 16)
  key.set(address(family, id, PORTS_BYTES + 16), 18)
  key.set(id.subarray(2, 4), 34)
  return { family, id, key: key.toString('latin1') }
}

function address(family: number, id: Uint8Array, at: number): Uint8Array {
  if (family !== AF_INET) return id.subarray(at, at + 16)
  const mapped = new Uint8Array(16).fill(0xff, 10, 12)
  mapped.set(id.subarray(at, at + 4), 12)
  return mapped
}

function request(type: number, flags: number, seq: number, family: number) {
  const bytes = new Uint8Array(REQUEST_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, REQUEST_BYTES, true)
  view.setUint16(4, type, true)
  view.setUint16(6, flags, true)
  view.setUint32(8, seq, true)
  bytes[NLMSG_HDRLEN] = family
  bytes[NLMSG_HDRLEN + 1] = IPPROTO_TCP
  view.setUint32(NLMSG_HDRLEN + 4, ALL_BUT_LISTENING >>> 0, true)
  return { bytes }
}
