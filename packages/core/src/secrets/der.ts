/** One element of DER (ITU-T X.690): its identifier octet and its contents, a view. */
export interface DERElement {
  readonly tag: number
  readonly content: Uint8Array
}

/**
 * The elements that fill these bytes, one after the other; undefined where they do not, or not in DER. Identifiers of more
 * than one octet and contents of 64 KiB and more are not read: no certificate that we take has them.
 */
export function readDER(bytes: Uint8Array): readonly DERElement[] | undefined {
  const elements: DERElement[] = []
  for (let offset = 0; offset < bytes.length; ) {
    const length = readLength(bytes, offset + 1)
    const tag = bytes[offset]!
    if (!length || (tag & 0x1f) === 0x1f) return undefined
    const end = length.contentAt + length.value
    if (end > bytes.length) return undefined
    elements.push({ tag, content: bytes.subarray(length.contentAt, end) })
    offset = end
  }
  return elements
}

/** X.690 §10.1: a definite length in the fewest octets. */
function readLength(bytes: Uint8Array, at: number): { value: number; contentAt: number } | undefined {
  const first = bytes[at]
  if (first === undefined) return undefined
  if (first < 0x80) return { value: first, contentAt: at + 1 }
  const octets = first & 0x7f
  if (octets < 1 || octets > 2 || at + octets >= bytes.length) return undefined
  const value = octets === 1 ? bytes[at + 1]! : (bytes[at + 1]! << 8) | bytes[at + 2]!
  const isShortest = value >= (octets === 1 ? 0x80 : 0x100)
  return isShortest ? { value, contentAt: at + 1 + octets } : undefined
}
