import { align4, NFGEN_HDRLEN, NLA_HDRLEN, NLA_TYPE_MASK, NLM_F_ACK, NLM_F_REQUEST } from './message.js'
import { MessageWriter } from './message-writer.js'

/**
 * Messages of the log subsystem (`linux/netfilter/nfnetlink_log.h`); nfgenmsg's res_id is the group.
 *
 * ```
 * CONFIG   CMD 1 {u8 cmd}  MODE 2 {be32 copy_range, u8 mode, u8 pad}  QTHRESH 5 be32
 * PACKET   PACKET_HDR 1 {be16 hw_protocol, u8 hook, u8 pad}  PREFIX 10, closed by a zero  PAYLOAD 9
 * ```
 */

export const NFULNL_MSG_PACKET = 0x0400
export const NFULNL_MSG_CONFIG = 0x0401
export const NFULNL_CFG_CMD_BIND = 1
export const NFULNL_CFG_CMD_UNBIND = 2

const NFULA_CFG_CMD = 1
const NFULA_CFG_MODE = 2
const NFULA_CFG_QTHRESH = 5
const NFULNL_COPY_PACKET = 2
const NFULA_PACKET_HDR = 1
const NFULA_PAYLOAD = 9
const NFULA_PREFIX = 10

/** Binds the group to the socket or takes it away; the kernel answers EBUSY, EPERM or ENODEV. */
export function logCommandMessage(group: number, command: number, seq: number): Uint8Array {
  return config(group, seq, writer => writer.binary(NFULA_CFG_CMD, Uint8Array.of(command), 1))
}

/** The first `copyRange` bytes of each packet, each as soon as it is logged. */
export function logModeMessage(group: number, copyRange: number, seq: number): Uint8Array {
  const mode = new Uint8Array(6)
  new DataView(mode.buffer).setUint32(0, copyRange)
  mode[4] = NFULNL_COPY_PACKET
  return config(group, seq, writer => {
    writer.binary(NFULA_CFG_MODE, mode, mode.length)
    writer.uint32(NFULA_CFG_QTHRESH, 1)
  })
}

function config(group: number, seq: number, write: (writer: MessageWriter) => void): Uint8Array {
  const writer = new MessageWriter(new Uint8Array(64))
  writer.begin(NFULNL_MSG_CONFIG, NLM_F_REQUEST | NLM_F_ACK, seq, group)
  write(writer)
  writer.end()
  return writer.bytes.subarray(0, writer.length)
}

/** Where the logged packet lies in the memory that was parsed, and what is known of it. */
export interface LoggedFields {
  /** `NF_INET_LOCAL_IN`, `NF_INET_LOCAL_OUT`, … */
  hook: number
  /** What the rule says of it; empty where it says nothing. */
  prefix: string
  offset: number
  length: number
}

/** Fills `into` from the message in [start, end) and says whether there was a packet in it. */
export function parseLogged(view: DataView, start: number, end: number, into: LoggedFields): boolean {
  into.hook = 0
  into.prefix = ''
  let hasPacket = false
  for (let at = start + NFGEN_HDRLEN; at + NLA_HDRLEN <= end; ) {
    const length = view.getUint16(at, true)
    if (length < NLA_HDRLEN || at + length > end) return false
    const value = at + NLA_HDRLEN
    const type = view.getUint16(at + 2, true) & NLA_TYPE_MASK
    if (type === NFULA_PACKET_HDR && length >= NLA_HDRLEN + 3) into.hook = view.getUint8(value + 2)
    else if (type === NFULA_PREFIX) into.prefix = textOf(view, value, at + length)
    else if (type === NFULA_PAYLOAD) {
      into.offset = value
      into.length = length - NLA_HDRLEN
      hasPacket = true
    }
    at += align4(length)
  }
  return hasPacket
}

function textOf(view: DataView, start: number, end: number): string {
  const bytes = Buffer.from(view.buffer, view.byteOffset + start, end - start)
  const zero = bytes.indexOf(0)
  return bytes.toString('latin1', 0, zero < 0 ? bytes.length : zero)
}
