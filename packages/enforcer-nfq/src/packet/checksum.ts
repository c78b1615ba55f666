/** Below this many bytes the look-up of a view costs more than it saves. */
const VIEW_PAYS_FROM = 128

/** The view of each buffer, made once: packet after packet is written to the same scratch buffer. */
const views = new WeakMap<ArrayBufferLike, DataView>()

/**
 * The one's complement sum of the 16-bit words in [start, end), folded to 16 bits (RFC 1071 §1). An odd last
 * byte counts as the high half of a word. Holds for ranges up to 64 KiB, whose words sum to less than 2^31:
 * said by `| 0`, the loops stay free of floating point.
 */
export function sumWords(data: Uint8Array, start: number, end: number): number {
  const isLong = end - start >= VIEW_PAYS_FROM
  const blocksEnd = isLong ? end - ((end - start) & 7) : start
  let sum = isLong ? sumBlocks(data, start, blocksEnd) : 0
  const last = end - 1
  for (let at = blocksEnd; at < last; at += 2) sum = (sum + ((data[at]! << 8) | data[at + 1]!)) | 0
  if (((end - start) & 1) === 1) sum = (sum + (data[last]! << 8)) | 0
  return foldSum(sum)
}

/** The internet checksum of [start, end), whose own checksum field is zero (RFC 1071). */
export function internetChecksum(data: Uint8Array, start: number, end: number): number {
  return ~sumWords(data, start, end) & 0xffff
}

/**
 * The checksum of the transport segment [start, end) of the IP packet that begins at `packet[0]`, pseudo-
 * header included: RFC 9293 §3.1 over IPv4, RFC 8200 §8.1 over IPv6. The segment's own field must be zero and
 * the packet's destination final (no source route is open); `protocol` is the segment's, whatever extension
 * headers precede it.
 */
export function transportChecksum(packet: Uint8Array, start: number, end: number, protocol: number): number {
  const addresses = packet[0]! >>> 4 === 4 ? sumWords(packet, 12, 20) : sumWords(packet, 8, 40)
  return ~foldSum(addresses + protocol + (end - start) + sumWords(packet, start, end)) & 0xffff
}

/** The plain sum of the 16-bit words in [start, end), a multiple of 8 bytes of at most 64 KiB. */
function sumBlocks(data: Uint8Array, start: number, end: number): number {
  const view = viewOf(data.buffer)
  let sum = 0
  const stop = data.byteOffset + end
  for (let at = data.byteOffset + start; at < stop; at += 8) {
    const one = view.getInt32(at)
    const two = view.getInt32(at + 4)
    sum = (sum + (one >>> 16) + (one & 0xffff) + (two >>> 16) + (two & 0xffff)) | 0
  }
  return sum
}

function viewOf(buffer: ArrayBufferLike): DataView {
  let view = views.get(buffer)
  if (view === undefined) {
    view = new DataView(buffer)
    views.set(buffer, view)
  }
  return view
}

/** Folds the carries of a sum of at least 0 and below 2^32 into its low 16 bits. */
function foldSum(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16)
  return (once & 0xffff) + (once >>> 16)
}
