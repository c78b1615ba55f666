import { writeUint16, writeUint32 } from '../packet/byte-order.js'
import {
  OVERLAY_EXID,
  TCPOPT_EOL,
  TCPOPT_EXP,
  TCPOPT_FASTOPEN,
  TCPOPT_MPTCP,
  TCPOPT_MSS,
  TCPOPT_NOP,
  TCPOPT_SACK,
  TCPOPT_SACK_PERM,
  TCPOPT_TIMESTAMP,
  TCPOPT_WINDOW,
} from '../packet/tcp-options.js'

/** One TCP option in words. `raw` is written as it stands, its lengths right or wrong. */
export type TcpOption =
  | 'eol'
  | 'nop'
  | 'sack-permitted'
  | 'overlay'
  | { readonly mss: number }
  | { readonly windowScale: number }
  | { readonly timestamps: readonly [value: number, echo: number] }
  | { readonly sack: readonly (readonly [left: number, right: number])[] }
  | { readonly mptcp: Uint8Array }
  | { readonly fastOpen: Uint8Array }
  | { readonly experiment: number; readonly data?: Uint8Array }
  | { readonly raw: readonly number[] }

/** The options Linux puts into a SYN: 20 bytes. */
export const LINUX_SYN_OPTIONS: readonly TcpOption[] = [
  { mss: 1460 },
  'sack-permitted',
  { timestamps: [0x01020304, 0] },
  'nop',
  { windowScale: 7 },
]

/** The option area: the options in order, then NOPs up to the next multiple of 4. */
export function buildOptions(options: readonly TcpOption[]): Uint8Array {
  const bytes = options.flatMap(optionBytes)
  while (bytes.length % 4 !== 0) bytes.push(TCPOPT_NOP)
  return Uint8Array.from(bytes)
}

function optionBytes(option: TcpOption): readonly number[] {
  if (option === 'eol') return [TCPOPT_EOL]
  if (option === 'nop') return [TCPOPT_NOP]
  if (option === 'sack-permitted') return [TCPOPT_SACK_PERM, 2]
  if (option === 'overlay') return withLength(TCPOPT_EXP, uint16(OVERLAY_EXID))
  if ('raw' in option) return option.raw
  if ('mss' in option) return withLength(TCPOPT_MSS, uint16(option.mss))
  if ('windowScale' in option) return withLength(TCPOPT_WINDOW, [option.windowScale])
  if ('timestamps' in option) return withLength(TCPOPT_TIMESTAMP, option.timestamps.flatMap(uint32))
  if ('sack' in option) return withLength(TCPOPT_SACK, option.sack.flat().flatMap(uint32))
  if ('mptcp' in option) return withLength(TCPOPT_MPTCP, option.mptcp)
  if ('fastOpen' in option) return withLength(TCPOPT_FASTOPEN, option.fastOpen)
  return withLength(TCPOPT_EXP, [...uint16(option.experiment), ...(option.data ?? [])])
}

function withLength(kind: number, body: Iterable<number>): number[] {
  const bytes = [...body]
  return [kind, bytes.length + 2, ...bytes]
}

function uint16(value: number): number[] {
  const bytes = new Uint8Array(2)
  writeUint16(bytes, 0, value)
  return [...bytes]
}

function uint32(value: number): number[] {
  const bytes = new Uint8Array(4)
  writeUint32(bytes, 0, value)
  return [...bytes]
}
