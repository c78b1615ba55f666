/** One block of a PEM text (RFC 7468). */
export interface PEMBlock {
  readonly label: string
  /** The block with its two lines of dashes. */
  readonly text: string
  readonly der: Uint8Array
}

/** A body ends at the next five dashes: a text of beginnings alone is read once, not once for each. */
const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----((?:(?!-----)[\s\S])*)-----END \1-----/g

/** The blocks of a text, in order; what stands between them is commentary. */
export function pemBlocks(text: string): readonly PEMBlock[] {
  return [...text.matchAll(BLOCK)].map(([block, label = '', body = '']) => ({
    label,
    text: block,
    der: Uint8Array.from(Buffer.from(body, 'base64')),
  }))
}

/** One block, its lines 64 characters long, with a newline at its end. */
export function formatPEM(label: string, der: Uint8Array): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .match(/.{1,64}/g)
  return [`-----BEGIN ${label}-----`, ...(lines ?? []), `-----END ${label}-----`, ''].join('\n')
}
