import { KernelError } from '@trireme/core'
import { NETLINK_NETFILTER } from './message.js'
import { flagsMessage, NFQA_CFG_F_CONNTRACK } from './nfqueue.js'
import { NetlinkSocket } from './socket.js'

/** Nobody's: the kernel looks at what is wanted before it looks for the queue. */
const NO_QUEUE = 0xffff

/**
 * Whether the kernel would take a connection's mark with a packet's verdict (NFQA_CT), which needs CONFIG_NETFILTER_NETLINK_GLUE_CT and
 * nf_conntrack_netlink. One that would not ignores it in silence, so the kernel is asked for the flag that comes with it; nothing
 * is switched on.
 * @throws KernelError, EPERM for whoever may not ask.
 */
export function takesConnectionMarks(): boolean {
  const socket = NetlinkSocket.open({ protocol: NETLINK_NETFILTER })
  try {
    const seq = socket.nextSeq()
    socket.request('NFQA_CFG_FLAGS', flagsMessage(NO_QUEUE, NFQA_CFG_F_CONNTRACK, seq), seq)
    return true
  } catch (error) {
    if (!(error instanceof KernelError)) throw error
    if (error.errno === 'EOPNOTSUPP' || error.errno === 'ENOTSUP') return false
    if (error.errno === 'ENODEV') return true
    throw error
  } finally {
    socket.close()
  }
}
