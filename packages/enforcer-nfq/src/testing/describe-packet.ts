import { formatAddress } from '@trireme/core'
import { readUint16, readUint32 } from '../packet/byte-order.js'
import * as options from '../packet/tcp-options.js'
import { TcpPacket } from '../packet/tcp-packet.js'
import { FLAG_BITS } from './tcp-flag.js'

/**
 * One line that tells a packet from another in a test's output, such as
 * `SYN ACK 10.0.0.2:80 > 10.0.0.1:40000 seq 2000 ack 1001 win 64240 [mss 1460, overlay] payload 120`. What is
 * no TCP packet is described by its fault and length.
 */
export function describePacket(bytes: Uint8Array): string {
  const packet = new TcpPacket()
  const fault = packet.parse(bytes, 0, bytes.length)
  if (fault !== undefined) return `${fault} (${bytes.length} bytes)`
  const flags = Object.entries(FLAG_BITS).flatMap(([flag, bit]) => ((packet.flags & bit) !== 0 ? [flag] : []))
  const source = endText(packet.source, packet.sourcePort)
  const destination = endText(packet.destination, packet.destinationPort)
  const numbers = `seq ${packet.sequence} ack ${packet.acknowledgement} win ${packet.window}`
  const list = [...optionTexts(packet)].join(', ')
  const head = flags.length === 0 ? 'no flags' : flags.join(' ')
  return `${head} ${source} > ${destination} ${numbers} [${list}] payload ${packet.payloadLength}`
}

function endText(address: Uint8Array, port: number): string {
  const text = formatAddress(address)
  return text.includes(':') ? `[${text}]:${port}` : `${text}:${port}`
}

function* optionTexts({ data, optionsOffset, optionsEnd, payloadOffset }: TcpPacket): Generator<string> {
  let at = optionsOffset
  while (at < optionsEnd) {
    const size = data[at] === options.TCPOPT_NOP ? 1 : data[at + 1]!
    yield optionText(data, at, size)
    at += size
  }
  if (optionsEnd < payloadOffset) yield 'eol'
}

function optionText(data: Uint8Array, at: number, size: number): string {
  const kind = data[at]!
  if (kind === options.TCPOPT_NOP) return 'nop'
  if (options.isOverlay(data, at, size)) return 'overlay'
  if (options.isFastOpen(data, at, size)) return 'fast-open'
  if (kind === options.TCPOPT_SACK_PERM) return 'sack-permitted'
  if (kind === options.TCPOPT_SACK) return 'sack'
  if (kind === options.TCPOPT_MPTCP) return 'mptcp'
  if (kind === options.TCPOPT_MSS && size === 4) return `mss ${readUint16(data, at + 2)}`
  if (kind === options.TCPOPT_WINDOW && size === 3) return `wscale ${data[at + 2]}`
  if (kind === options.TCPOPT_TIMESTAMP && size === 10) {
    return `ts ${readUint32(data, at + 2)} ${readUint32(data, at + 6)}`
  }
  return `kind ${kind}`
}
