/** Whether `number` is the sequence number after `of`: what a segment acknowledges that answers a SYN with ISN `of`. */
export function isSuccessor(number: number, of: number): boolean {
  return number === (of + 1) >>> 0
}

/** Whether sequence number `a` lies after `b`, modulo 2^32 (RFC 9293 §3.4). */
export function isAfter(a: number, b: number): boolean {
  return ((a - b) | 0) > 0
}
