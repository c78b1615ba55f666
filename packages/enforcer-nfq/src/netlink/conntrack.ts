import {
  align4,
  NFGEN_HDRLEN,
  NLA_HDRLEN,
  NLA_TYPE_MASK,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_REQUEST,
} from './message.js'
import { MessageWriter } from './message-writer.js'
import type { NetlinkMessage } from './socket.js'

/**
 * Messages of the connection tracking subsystem (`linux/netfilter/nfnetlink_conntrack.h`); nfgenmsg's family is that of the
 * addresses, 0 for both.
 *
 * ```
 * GET, NEW, DELETE  TUPLE_ORIG 1 {IP 1 {V4_SRC 1, V4_DST 2 | V6_SRC 3, V6_DST 4}, PROTO 2 {NUM 1 u8, SRC_PORT 2, DST_PORT 3 be16}}
 *                   TUPLE_REPLY 2  MARK 8 be32  ID 12 be32  ZONE 18 be16  MARK_MASK 21 be32
 * ```
 */

const IPCTNL_MSG_CT_NEW = 0x0100
const IPCTNL_MSG_CT_GET = 0x0101
const IPCTNL_MSG_CT_DELETE = 0x0102

const CTA_TUPLE_ORIG = 1
const CTA_TUPLE_REPLY = 2
const CTA_MARK = 8
const CTA_ID = 12
const CTA_ZONE = 18
const CTA_MARK_MASK = 21
const CTA_TUPLE_IP = 1
const CTA_TUPLE_PROTO = 2
const CTA_PROTO_NUM = 1
const CTA_PROTO_SRC_PORT = 2
const CTA_PROTO_DST_PORT = 3
const NLA_F_NESTED = 0x8000

const MAX_CHANGE_BYTES = 256

/** One direction of an entry. Addresses have 16 bytes, IPv4 in its mapped form. */
export interface ConntrackTuple {
  readonly protocol: number
  readonly source: Uint8Array
  readonly destination: Uint8Array
  readonly sourcePort: number
  readonly destinationPort: number
}

/** An entry as the kernel listed it. */
export interface ConntrackEntry {
  readonly family: number
  readonly mark: number
  readonly original: ConntrackTuple
  readonly reply: ConntrackTuple
  /** The attributes that name the entry in a change: its original tuple, its ID, and its zone if it has one. */
  readonly names: readonly (readonly [type: number, value: Uint8Array])[]
}

/** Asks for the entries whose mark is `mark` under `mask`. */
export function conntrackDumpMessage(mark: number, mask: number, seq: number): Uint8Array {
  return message(IPCTNL_MSG_CT_GET, NLM_F_REQUEST | NLM_F_DUMP, { seq, family: 0 }, writer => {
    writer.uint32(CTA_MARK, mark)
    writer.uint32(CTA_MARK_MASK, mask)
  })
}

/** Flips `bits` of the entry's mark: with an empty mask the kernel takes the exclusive or (`ctnetlink_change_mark`). */
export function conntrackFlipMessage(entry: ConntrackEntry, bits: number, seq: number): Uint8Array {
  const { family, names } = entry
  return message(IPCTNL_MSG_CT_NEW, NLM_F_REQUEST | NLM_F_ACK, { seq, family }, writer => {
    for (const [type, value] of names) if (type !== CTA_ID) writer.binary(type, value, value.length)
    writer.uint32(CTA_MARK, bits)
    writer.uint32(CTA_MARK_MASK, 0)
  })
}

/** Removes the entry, unless another one has its place: then the kernel answers ENOENT. */
export function conntrackDeleteMessage({ family, names }: ConntrackEntry, seq: number): Uint8Array {
  return message(IPCTNL_MSG_CT_DELETE, NLM_F_REQUEST | NLM_F_ACK, { seq, family }, writer => {
    for (const [type, value] of names) writer.binary(type, value, value.length)
  })
}

/** The entry in a message, or undefined where it is of no family or protocol with addresses and ports. */
export function parseConntrack({ view, start, end }: NetlinkMessage): ConntrackEntry | undefined {
  let original: ConntrackTuple | undefined
  let reply: ConntrackTuple | undefined
  let mark = 0
  const names: (readonly [number, Uint8Array])[] = []
  for (const { type, at, length } of attributes(view, start + NFGEN_HDRLEN, end)) {
    const plainType = type & NLA_TYPE_MASK
    if (plainType === CTA_TUPLE_ORIG) original = parseTuple(view, at, at + length)
    else if (plainType === CTA_TUPLE_REPLY) reply = parseTuple(view, at, at + length)
    else if (plainType === CTA_MARK && length === 4) mark = view.getUint32(at)
    if ([CTA_TUPLE_ORIG, CTA_ID, CTA_ZONE].includes(plainType)) {
      const nested = plainType === CTA_TUPLE_ORIG ? NLA_F_NESTED : 0
      names.push([plainType | nested, new Uint8Array(view.buffer, view.byteOffset + at, length).slice()])
    }
  }
  if (!original || !reply) return undefined
  return { family: view.getUint8(start + 16), mark, original, reply, names }
}

function parseTuple(view: DataView, start: number, end: number): ConntrackTuple | undefined {
  const addresses: Uint8Array[] = []
  const ports = [0, 0]
  let protocol = -1
  for (const part of attributes(view, start, end)) {
    const isIP = (part.type & NLA_TYPE_MASK) === CTA_TUPLE_IP
    if (!isIP && (part.type & NLA_TYPE_MASK) !== CTA_TUPLE_PROTO) continue
    for (const { type, at, length } of attributes(view, part.at, part.at + part.length)) {
      if (isIP) addresses.push(address(view, at, length))
      else if (type === CTA_PROTO_NUM) protocol = view.getUint8(at)
      else if (type === CTA_PROTO_SRC_PORT && length === 2) ports[0] = view.getUint16(at)
      else if (type === CTA_PROTO_DST_PORT && length === 2) ports[1] = view.getUint16(at)
    }
  }
  const [source, destination] = addresses
  if (!source || !destination || protocol < 0) return undefined
  return { protocol, source, destination, sourcePort: ports[0]!, destinationPort: ports[1]! }
}

function address(view: DataView, at: number, length: number): Uint8Array {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + at, length)
  if (length === 16) return bytes.slice()
  const mapped = new Uint8Array(16).fill(0xff, 10, 12)
  mapped.set(bytes.subarray(0, 4), 12)
  return mapped
}

function* attributes(view: DataView, start: number, end: number) {
  for (let at = start; at + NLA_HDRLEN <= end; ) {
    const size = view.getUint16(at, true)
    if (size < NLA_HDRLEN || at + size > end) return
    yield { type: view.getUint16(at + 2, true), at: at + NLA_HDRLEN, length: size - NLA_HDRLEN }
    at += align4(size)
  }
}

interface Header {
  readonly seq: number
  readonly family: number
}

function message(
  type: number,
  flags: number,
  { seq, family }: Header,
  write: (writer: MessageWriter) => void,
): Uint8Array {
  const writer = new MessageWriter(new Uint8Array(MAX_CHANGE_BYTES))
  writer.begin(type, flags, seq, 0, family)
  write(writer)
  writer.end()
  return writer.bytes.subarray(0, writer.length)
}
