import {
  align4,
  messageEnd,
  messageSeq,
  messageType,
  NLA_HDRLEN,
  NLA_TYPE_MASK,
  NLMSG_HDRLEN,
} from './message.js'

/** A TCP socket as `inet_diag_msg` describes it (`linux/inet_diag.h`; `sock-diag.ts` draws the layout). */
export interface FoundSocket {
  readonly family: number
  /** `net/tcp_states.h`. */
  readonly state: number
  /** 16 bytes, IPv4 in its mapped form; zeros where any will do. */
  readonly localAddress: Uint8Array
  readonly localPort: number
  readonly peerAddress: Uint8Array
  readonly peerPort: number
  /** To which it is bound; 0 for none. */
  readonly interfaceIndex: number
  /** Names this socket and no later one. */
  readonly cookie: bigint
  /** Who made it. */
  readonly uid: number
  /** Of the file in `/proc/PID/fd`; 0 where no process holds it. */
  readonly inode: number
  /** The inode of the cgroup v2 directory in which it was made; undefined where the kernel does not say (before Linux 5.9). */
  readonly cgroupID: bigint | undefined
  /** Of cgroup v1; 0 for none, or the socket's priority (`inet_diag_msg_attrs_fill`). */
  readonly classID: number
}

const SOCK_DIAG_BY_FAMILY = 20
const AF_INET6 = 10
const SOCKID = NLMSG_HDRLEN + 4
const COUNTERS = SOCKID + 48
const ATTRIBUTES = NLMSG_HDRLEN + 72
const INET_DIAG_CLASS_ID = 17
const INET_DIAG_CGROUP_ID = 21

/** The sockets in one datagram of the answer to `seq`. Total: what is no such message is left out. */
export function parseSocketDetails(bytes: Uint8Array, seq: number): readonly FoundSocket[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const sockets: FoundSocket[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = messageEnd(view, at, bytes.length)
    if (end === 0) break
    const isSocket = messageType(view, at) === SOCK_DIAG_BY_FAMILY && messageSeq(view, at) === seq
    if (isSocket && end - at >= ATTRIBUTES) sockets.push(socketAt(view, bytes, at, end))
    at = align4(end)
  }
  return sockets
}

function socketAt(view: DataView, bytes: Uint8Array, start: number, end: number): FoundSocket {
  const family = view.getUint8(start + NLMSG_HDRLEN)
  const id = start + SOCKID
  let cgroupID: bigint | undefined
  let classID = 0
  for (let at = start + ATTRIBUTES; at + NLA_HDRLEN <= end; ) {
    const length = view.getUint16(at, true)
    if (length < NLA_HDRLEN || at + length > end) break
    const type = view.getUint16(at + 2, true) & NLA_TYPE_MASK
    if (type === INET_DIAG_CGROUP_ID && length >= 12) cgroupID = view.getBigUint64(at + NLA_HDRLEN, true)
    if (type === INET_DIAG_CLASS_ID && length >= 8) classID = view.getUint32(at + NLA_HDRLEN, true)
    at += align4(length)
  }
  return {
    family,
    state: view.getUint8(start + NLMSG_HDRLEN + 1),
    localPort: view.getUint16(id),
    peerPort: view.getUint16(id + 2),
    localAddress: addressAt(family, bytes, id + 4),
    peerAddress: addressAt(family, bytes, id + 20),
    interfaceIndex: view.getUint32(id + 36, true),
    cookie: view.getBigUint64(id + 40, true),
    uid: view.getUint32(start + COUNTERS + 12, true),
    inode: view.getUint32(start + COUNTERS + 16, true),
    cgroupID,
    classID,
  }
}

function addressAt(family: number, bytes: Uint8Array, at: number): Uint8Array {
  if (family === AF_INET6) return bytes.slice(at, at + 16)
  const mapped = new Uint8Array(16)
  mapped.fill(0xff, 10, 12)
  mapped.set(bytes.subarray(at, at + 4), 12)
  return mapped
}
