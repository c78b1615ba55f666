import { randomInt } from 'node:crypto'

const LENGTH = 12
const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** A context ID that no other PU has: 12 characters from `[a-z0-9]`, 62 random bits. */
export function newContextID(): string {
  return Array.from({ length: LENGTH }, () => LETTERS[randomInt(LETTERS.length)]).join('')
}

/** Whether a text could have come from `newContextID`, and so is safe as a file name. */
export function isContextID(text: string): boolean {
  return /^[a-z0-9]{12}$/.test(text)
}
