/**
 * Netlink messages (`linux/netlink.h`, `linux/netfilter/nfnetlink.h`, `include/net/netlink.h`). Headers are in host
 * order, which is little-endian on every machine that Trireme is built for; attribute values are big-endian.
 *
 * ```
 * nlmsghdr  u32 len | u16 type | u16 flags | u32 seq | u32 pid        len counts the header
 * nfgenmsg  u8 family | u8 version | be16 res_id
 * nlattr    u16 len | u16 type (14 bits) | value | pad to 4           len counts itself, not the pad
 * ```
 */

export const NETLINK_NETFILTER = 12
export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3
export const NLMSG_HDRLEN = 16
export const NFGEN_HDRLEN = 20
export const NLA_HDRLEN = 4
export const NLA_TYPE_MASK = 0x3fff
export const NLM_F_REQUEST = 1
export const NLM_F_ACK = 4
/** NLM_F_ROOT | NLM_F_MATCH. */
export const NLM_F_DUMP = 0x300

/** NLMSG_ALIGN and NLA_ALIGN. */
export function align4(bytes: number): number {
  return (bytes + 3) & ~3
}

/** Where the message at `start` ends, or 0 if no whole message fits before `end`. */
export function messageEnd(view: DataView, start: number, end: number): number {
  if (end - start < NLMSG_HDRLEN) return 0
  const length = view.getUint32(start, true)
  return length < NLMSG_HDRLEN || length > end - start ? 0 : start + length
}

export function messageType(view: DataView, start: number): number {
  return view.getUint16(start + 4, true)
}

export function messageSeq(view: DataView, start: number): number {
  return view.getUint32(start + 8, true)
}

/** What an NLMSG_ERROR says: a positive errno, 0 for an acknowledgement, and which message it is about. */
export interface ErrorReply {
  readonly errno: number
  readonly type: number
  readonly seq: number
}

/** The NLMSG_ERROR in [start, end), or undefined if it is shorter than `struct nlmsgerr`. */
export function parseError(view: DataView, start: number, end: number): ErrorReply | undefined {
  const original = start + NLMSG_HDRLEN + 4
  if (end - original < NLMSG_HDRLEN) return undefined
  const errno = -view.getInt32(start + NLMSG_HDRLEN, true)
  return { errno, type: messageType(view, original), seq: messageSeq(view, original) }
}
