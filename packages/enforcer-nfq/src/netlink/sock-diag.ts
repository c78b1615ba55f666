import {
  align4,
  messageEnd,
  messageSeq,
  messageType,
  NLA_HDRLEN,
  NLA_TYPE_MASK,
  NLM_F_REQUEST,
  NLMSG_HDRLEN,
} from './message.js'
import { NetlinkSocket } from './socket.js'

/**
 * Messages of the socket monitor (`linux/sock_diag.h`, `linux/inet_diag.h`); numbers in host order but for ports and addresses.
 *
 * ```
 * request  u8 family | u8 protocol | u8 ext | u8 pad | u32 states | sockid
 * answer   u8 family | u8 state | u8 timer | u8 retrans | sockid | u32 expires, rqueue, wqueue, uid, inode | attributes
 * sockid   be16 sport | be16 dport | src[16] | dst[16] | u32 if | u32 cookie[2]          48 bytes
 * ```
 */

const NETLINK_SOCK_DIAG = 4
const SOCK_DIAG_BY_FAMILY = 20
const NLM_F_DUMP = 0x300
const AF_INET = 2
const AF_INET6 = 10
const IPPROTO_TCP = 6
const REQUEST_LENGTH = NLMSG_HDRLEN + 56
const SOCKID = NLMSG_HDRLEN + 4
const UID = SOCKID + 48 + 12
const ATTRIBUTES = NLMSG_HDRLEN + 72
const INET_DIAG_TCLASS = 6
const INET_DIAG_CLASS_ID = 17
const INET_DIAG_CGROUP_ID = 21

/** `net/tcp_states.h`, as bits: connections that both ends have agreed on, and that are not only waited for. */
const CONNECTED_STATES = [1, 4, 5, 8, 9, 11].reduce((bits, state) => bits | (1 << state), 0)

/** A TCP socket of a network namespace with its peer. */
export interface ConnectedSocket {
  /** 16 bytes, IPv4 in its mapped form. */
  readonly localAddress: Uint8Array
  readonly localPort: number
  readonly peerAddress: Uint8Array
  readonly peerPort: number
  /** The inode of the cgroup v2 directory in which the socket was made; undefined where the kernel does not say. */
  readonly cgroupID: bigint | undefined
  /** Of cgroup v1; 0 for none. */
  readonly classID: number
  /** Who made it. */
  readonly uid: number
}

/**
 * The TCP connections of a namespace (the process's own without `netns`) in ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK
 * and CLOSING.
 * @throws KernelError `ENOENT` where the kernel has no `tcp_diag`.
 */
export function readConnectedSockets(netns?: string): readonly ConnectedSocket[] {
  const socket = NetlinkSocket.open({ protocol: NETLINK_SOCK_DIAG, netns })
  try {
    return [AF_INET, AF_INET6].flatMap(family => {
      const seq = socket.nextSeq()
      const answers = socket.dump('SOCK_DIAG_BY_FAMILY', dumpMessage(family, seq), seq)
      return answers.flatMap(bytes => parseSockets(bytes, seq))
    })
  } finally {
    socket.close()
  }
}

export function dumpMessage(family: number, seq: number): Uint8Array {
  const bytes = new Uint8Array(REQUEST_LENGTH)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, REQUEST_LENGTH, true)
  view.setUint16(4, SOCK_DIAG_BY_FAMILY, true)
  view.setUint16(6, NLM_F_REQUEST | NLM_F_DUMP, true)
  view.setUint32(8, seq, true)
  view.setUint8(NLMSG_HDRLEN, family)
  view.setUint8(NLMSG_HDRLEN + 1, IPPROTO_TCP)
  // The class ID comes with the traffic class.
  view.setUint8(NLMSG_HDRLEN + 2, 1 << (INET_DIAG_TCLASS - 1))
  view.setUint32(NLMSG_HDRLEN + 4, CONNECTED_STATES, true)
  return bytes
}

/** The sockets in one datagram of the answer to `seq`. Total: what is no such message is left out. */
export function parseSockets(bytes: Uint8Array, seq: number): readonly ConnectedSocket[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const sockets: ConnectedSocket[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = messageEnd(view, at, bytes.length)
    if (end === 0) break
    const isSocket = messageType(view, at) === SOCK_DIAG_BY_FAMILY && messageSeq(view, at) === seq
    if (isSocket && end - at >= ATTRIBUTES) sockets.push(socketAt(view, bytes, at, end))
    at += align4(end - at)
  }
  return sockets
}

function socketAt(view: DataView, bytes: Uint8Array, start: number, end: number): ConnectedSocket {
  const family = view.getUint8(start + NLMSG_HDRLEN)
  const id = start + SOCKID
  return {
    localPort: view.getUint16(id),
    peerPort: view.getUint16(id + 2),
    localAddress: address(family, bytes, id + 4),
    peerAddress: address(family, bytes, id + 20),
    uid: view.getUint32(start + UID, true),
    ...membership(view, start + ATTRIBUTES, end),
  }
}

function address(family: number, bytes: Uint8Array, at: number): Uint8Array {
  if (family === AF_INET6) return bytes.slice(at, at + 16)
  const mapped = new Uint8Array(16)
  mapped.fill(0xff, 10, 12)
  mapped.set(bytes.subarray(at, at + 4), 12)
  return mapped
}

function membership(
  view: DataView,
  start: number,
  end: number,
): Pick<ConnectedSocket, 'cgroupID' | 'classID'> {
  let cgroupID: bigint | undefined
  let classID = 0
  for (let at = start; at + NLA_HDRLEN <= end; ) {
    const length = view.getUint16(at, true)
    if (length < NLA_HDRLEN || at + length > end) break
    const type = view.getUint16(at + 2, true) & NLA_TYPE_MASK
    if (type === INET_DIAG_CGROUP_ID && length >= 12) cgroupID = view.getBigUint64(at + NLA_HDRLEN, true)
    if (type === INET_DIAG_CLASS_ID && length >= 8) classID = view.getUint32(at + NLA_HDRLEN, true)
    at += align4(length)
  }
  return { cgroupID, classID }
}
