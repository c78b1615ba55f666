import { NLM_F_DUMP, NLM_F_REQUEST, NLMSG_HDRLEN } from './message.js'
import { NetlinkSocket } from './socket.js'
import { type FoundSocket, parseSocketDetails } from './socket-details.js'
import { NETLINK_SOCK_DIAG } from './socket-end.js'

/**
 * Messages of the socket monitor (`linux/sock_diag.h`, `linux/inet_diag.h`); numbers in host order but for ports and addresses.
 *
 * ```
 * request  u8 family | u8 protocol | u8 ext | u8 pad | u32 states | sockid
 * answer   u8 family | u8 state | u8 timer | u8 retrans | sockid | u32 expires, rqueue, wqueue, uid, inode | attributes
 * sockid   be16 sport | be16 dport | src[16] | dst[16] | u32 if | u32 cookie[2]          48 bytes
 * ```
 */

const SOCK_DIAG_BY_FAMILY = 20
const AF_INET = 2
const AF_INET6 = 10
const IPPROTO_TCP = 6
const REQUEST_LENGTH = NLMSG_HDRLEN + 56
const INET_DIAG_TCLASS = 6

/** `net/tcp_states.h`, as bits: connections that both ends have agreed on, and that are not only waited for. */
const CONNECTED_STATES = [1, 4, 5, 8, 9, 11].reduce((bits, state) => bits | (1 << state), 0)

/** A TCP socket of a network namespace with its peer. */
export type ConnectedSocket = Pick<
  FoundSocket,
  'localAddress' | 'localPort' | 'peerAddress' | 'peerPort' | 'cgroupID' | 'classID' | 'uid'
>

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
      return answers.flatMap(bytes => parseSocketDetails(bytes, seq))
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
