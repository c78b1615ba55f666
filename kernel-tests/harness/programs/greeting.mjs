import { createHash } from 'node:crypto'

const BYTES = 50_000

/** The bytes with which the server at a port begins. */
export function greeting(port) {
  const word = createHash('sha256').update(String(port)).digest()
  return Buffer.alloc(BYTES, word)
}
