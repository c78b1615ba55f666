import { createHash, randomInt } from 'node:crypto'

const LENGTH = 12
const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** A context ID that no other PU has: 12 characters from `[a-z0-9]`, 62 random bits. */
export function newContextID(): string {
  return Array.from({ length: LENGTH }, () => LETTERS[randomInt(LETTERS.length)]).join('')
}

/** The same context ID whenever the same cgroup becomes a PU. */
export function contextIDOfCgroup(cgroup: string): string {
  const digest = createHash('sha256').update(`cgroup\0${cgroup}`).digest()
  return Array.from(
    { length: LENGTH },
    (_, at) => LETTERS[digest.readUInt16BE(at * 2) % LETTERS.length],
  ).join('')
}

/** Whether a text could have come from `newContextID`, and so is safe as a file name. */
export function isContextID(text: string): boolean {
  return /^[a-z0-9]{12}$/.test(text)
}
