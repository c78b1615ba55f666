import { align4, NFGEN_HDRLEN, NLA_HDRLEN, NLA_TYPE_MASK, NLM_F_ACK, NLM_F_REQUEST } from './message.js'
import { MessageWriter } from './message-writer.js'

/**
 * Messages of the queue subsystem (`linux/netfilter/nfnetlink_queue.h`); nfgenmsg's res_id is the queue number.
 *
 * ```
 * CONFIG   CMD 1 {u8 cmd, u8 0, be16 family}  PARAMS 2 {be32 copy_range, u8 mode}  QUEUE_MAXLEN 3 be32
 *          MASK 4 be32  FLAGS 5 be32
 * PACKET   PACKET_HDR 1 {be32 id, be16 hw_protocol, u8 hook}  MARK 3 be32  IFINDEX_INDEV 5 be32  IFINDEX_OUTDEV 6 be32
 *          PAYLOAD 10  CAP_LEN 13 be32  SKB_INFO 14 be32
 * VERDICT  VERDICT_HDR 2 {be32 verdict, be32 id}  MARK 3 be32  PAYLOAD 10
 * ```
 */

/** Verdicts (`linux/netfilter.h`): the packet is dropped, goes on, or runs through its hook again. */
export const NF_DROP = 0
export const NF_ACCEPT = 1
export const NF_REPEAT = 4

/** Hooks a packet was queued at (`enum nf_inet_hooks`, `linux/netfilter.h`). */
export const NF_INET_PRE_ROUTING = 0
export const NF_INET_LOCAL_IN = 1
export const NF_INET_LOCAL_OUT = 3
export const NF_INET_POST_ROUTING = 4

export const NFQNL_MSG_PACKET = 0x0300
export const NFQNL_MSG_VERDICT = 0x0301
export const NFQNL_MSG_CONFIG = 0x0302
export const NFQNL_CFG_CMD_BIND = 1
export const NFQNL_CFG_CMD_UNBIND = 2
export const NFQA_CFG_F_CONNTRACK = 2
export const NFQA_CFG_F_GSO = 4

const NFQA_CFG_CMD = 1
const NFQA_CFG_PARAMS = 2
const NFQA_CFG_QUEUE_MAXLEN = 3
const NFQA_CFG_MASK = 4
const NFQA_CFG_FLAGS = 5
const NFQNL_COPY_PACKET = 2

const NFQA_PACKET_HDR = 1
const NFQA_VERDICT_HDR = 2
const NFQA_MARK = 3
const NFQA_IFINDEX_INDEV = 5
const NFQA_IFINDEX_OUTDEV = 6
const NFQA_PAYLOAD = 10
const NFQA_CAP_LEN = 13
const NFQA_SKB_INFO = 14
const NFQA_SKB_CSUMNOTREADY = 1
const NFQA_SKB_GSO = 2
/** `lo` has this index in every network namespace (`include/net/flow.h`). */
const LOOPBACK_IFINDEX = 1

/** A verdict's bytes without mark and payload. */
const VERDICT_BYTES = NFGEN_HDRLEN + NLA_HDRLEN + 8

/** Binds the queue to the socket or takes it away; the kernel answers EBUSY, EPERM or ENODEV. */
export function commandMessage(queue: number, command: number, seq: number): Uint8Array {
  return config(queue, seq, writer => writer.binary(NFQA_CFG_CMD, Uint8Array.of(command, 0, 0, 0), 4))
}

/** Whole packets up to `copyRange` bytes, at most `maxPackets` of them without a verdict. */
export function paramsMessage(queue: number, copyRange: number, maxPackets: number, seq: number): Uint8Array {
  const params = new Uint8Array(5)
  new DataView(params.buffer).setUint32(0, copyRange)
  params[4] = NFQNL_COPY_PACKET
  return config(queue, seq, writer => {
    writer.binary(NFQA_CFG_PARAMS, params, 5)
    writer.uint32(NFQA_CFG_QUEUE_MAXLEN, maxPackets)
  })
}

/** Switches these NFQA_CFG_F flags on and leaves the others as they are. */
export function flagsMessage(queue: number, flags: number, seq: number): Uint8Array {
  return config(queue, seq, writer => {
    writer.uint32(NFQA_CFG_MASK, flags)
    writer.uint32(NFQA_CFG_FLAGS, flags)
  })
}

function config(queue: number, seq: number, write: (writer: MessageWriter) => void): Uint8Array {
  const writer = new MessageWriter(new Uint8Array(64))
  writer.begin(NFQNL_MSG_CONFIG, NLM_F_REQUEST | NLM_F_ACK, seq, queue)
  write(writer)
  writer.end()
  return writer.bytes.subarray(0, writer.length)
}

/** What is said about one packet. */
export interface VerdictFields {
  queue: number
  id: number
  verdict: number
  mark: number | undefined
  /** The whole IP packet that replaces the queued one, from byte 0 to `payloadLength`. */
  payload: Uint8Array | undefined
  payloadLength: number
}

/** How many bytes `writeVerdict` will write. */
export function verdictBytes(fields: VerdictFields): number {
  const mark = fields.mark === undefined ? 0 : NLA_HDRLEN + 4
  const payload = fields.payload === undefined ? 0 : NLA_HDRLEN + align4(fields.payloadLength)
  return VERDICT_BYTES + mark + payload
}

/** One NFQNL_MSG_VERDICT without acknowledgement. Its seq holds the id's low 31 bits: a refusal names the packet. */
export function writeVerdict(writer: MessageWriter, fields: VerdictFields): void {
  writer.begin(NFQNL_MSG_VERDICT, NLM_F_REQUEST, fields.id & 0x7fffffff, fields.queue)
  writer.uint32Pair(NFQA_VERDICT_HDR, fields.verdict, fields.id)
  if (fields.mark !== undefined) writer.uint32(NFQA_MARK, fields.mark)
  if (fields.payload !== undefined) writer.binary(NFQA_PAYLOAD, fields.payload, fields.payloadLength)
  writer.end()
}

/** What an NFQNL_MSG_PACKET says; `offset` and `length` are of the IP packet in the memory that was parsed. */
export interface PacketFields {
  queue: number
  id: number
  hook: number
  mark: number
  isLoopback: boolean
  interfaceIndex: number
  offset: number
  length: number
  isTruncated: boolean
  isChecksumPartial: boolean
  isGso: boolean
}

/**
 * Fills `into` from the message in [start, end) and says whether it was a packet at all, that is had a PACKET_HDR.
 * A message that was cut at `end` gives what is there of the payload, with `isTruncated` set.
 */
export function parsePacket(view: DataView, start: number, end: number, into: PacketFields): boolean {
  if (end - start < NFGEN_HDRLEN) return false
  clear(into, view.getUint16(start + 18, false))
  let hasHeader = false
  for (let at = start + NFGEN_HDRLEN; at + NLA_HDRLEN <= end; ) {
    const length = view.getUint16(at, true)
    if (length < NLA_HDRLEN) break
    const type = view.getUint16(at + 2, true) & NLA_TYPE_MASK
    const value = at + NLA_HDRLEN
    if (type === NFQA_PAYLOAD) takePayload(into, value, length - NLA_HDRLEN, end)
    else if (at + length > end) break
    else if (type === NFQA_PACKET_HDR) hasHeader = takeHeader(view, value, length, into) || hasHeader
    else if (length >= NLA_HDRLEN + 4) takeNumber(view, value, type, into)
    at += align4(length)
  }
  return hasHeader
}

function clear(into: PacketFields, queue: number): void {
  into.queue = queue
  into.id = 0
  into.hook = 0
  into.mark = 0
  into.isLoopback = false
  into.interfaceIndex = 0
  into.offset = 0
  into.length = 0
  into.isTruncated = false
  into.isChecksumPartial = false
  into.isGso = false
}

function takeHeader(view: DataView, value: number, length: number, into: PacketFields): boolean {
  if (length < NLA_HDRLEN + 7) return false
  into.id = view.getUint32(value, false)
  into.hook = view.getUint8(value + 6)
  return true
}

function takePayload(into: PacketFields, value: number, length: number, end: number): void {
  into.offset = value
  into.length = Math.min(length, end - value)
  if (length > into.length) into.isTruncated = true
}

function takeNumber(view: DataView, value: number, type: number, into: PacketFields): void {
  if (type === NFQA_MARK) into.mark = view.getUint32(value, false)
  else if (type === NFQA_IFINDEX_INDEV || type === NFQA_IFINDEX_OUTDEV) {
    into.interfaceIndex = view.getUint32(value, false)
    into.isLoopback = into.interfaceIndex === LOOPBACK_IFINDEX
  } else if (type === NFQA_CAP_LEN) into.isTruncated = true
  else if (type === NFQA_SKB_INFO) {
    const bits = view.getUint32(value, false)
    into.isChecksumPartial = (bits & NFQA_SKB_CSUMNOTREADY) !== 0
    into.isGso = (bits & NFQA_SKB_GSO) !== 0
  }
}
