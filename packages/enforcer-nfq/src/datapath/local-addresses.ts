import { networkInterfaces } from 'node:os'
import { parseAddress } from '@trireme/core'

const REFRESH_AFTER_MS = 1000

/** The addresses of the network namespace, re-read at most once a second when one is not known. */
export class LocalAddresses {
  readonly #read: () => readonly string[]
  readonly #now: () => number
  #known = new Set<string>()
  #readAt = Number.NEGATIVE_INFINITY

  constructor(now: () => number, read: () => readonly string[] = interfaceAddresses) {
    this.#now = now
    this.#read = read
  }

  /** `address`: 16 bytes, IPv4 in its mapped form. All of 127.0.0.0/8 is local (RFC 1122 §3.2.1.3). */
  has(address: Uint8Array): boolean {
    const key = Buffer.from(address).toString('latin1')
    if (this.#known.has(key) || isLoopback(key)) return true
    // A clock that was set back counts as time gone by.
    if (Math.abs(this.#now() - this.#readAt) < REFRESH_AFTER_MS) return false
    this.#readAt = this.#now()
    this.#known = new Set(this.#read().map(text => Buffer.from(parseAddress(text)).toString('latin1')))
    return this.#known.has(key)
  }
}

const MAPPED_LOOPBACK = '\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f'

function isLoopback(key: string): boolean {
  return key.startsWith(MAPPED_LOOPBACK)
}

function interfaceAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap(list => (list ?? []).map(entry => entry.address))
}
