import { networkInterfaces } from 'node:os'
import { parseAddress } from '@trireme/core'

const REFRESH_AFTER_MS = 1000
/** For an address that was not known: whoever dials one that the host has just got shall not wait for a resend. */
const RETRY_AFTER_MS = 20

export interface LocalAddressesOptions {
  /** By which others reach the host though no interface has them. */
  readonly aliases?: readonly string[]
  /** Reads those of the interfaces. */
  readonly read?: () => readonly string[]
}

/** The addresses of the host: those that its interfaces had at most a second ago, read when somebody asks, and its aliases. */
export class LocalAddresses {
  readonly #read: () => readonly string[]
  readonly #now: () => number
  readonly #aliases: ReadonlySet<string>
  #known = new Set<string>()
  #readAt = Number.NEGATIVE_INFINITY

  constructor(now: () => number, { aliases = [], read = interfaceAddresses }: LocalAddressesOptions = {}) {
    this.#now = now
    this.#read = read
    this.#aliases = new Set(aliases.map(keyOf))
  }

  /** `address`: 16 bytes, IPv4 in its mapped form. All of 127.0.0.0/8 is local (RFC 1122 §3.2.1.3), to whom it is: see `isForeignLoopback`. */
  has(address: Uint8Array): boolean {
    const key = Buffer.from(address).toString('latin1')
    if (this.#aliases.has(key) || isLoopbackKey(key)) return true
    // A clock that was set back counts as time gone by.
    const age = Math.abs(this.#now() - this.#readAt)
    if (age >= REFRESH_AFTER_MS || (age >= RETRY_AFTER_MS && !this.#known.has(key))) {
      this.#readAt = this.#now()
      this.#known = new Set(this.#read().map(keyOf))
    }
    return this.#known.has(key)
  }
}

const MAPPED_LOOPBACK = '\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f'
const LOOPBACK = `${'\0'.repeat(15)}\x01`

/** Whether every host has the address, 16 bytes as in `has`, for itself: 127.0.0.0/8 or ::1 (RFC 4291 §2.5.3). */
export function isLoopbackAddress(address: Uint8Array): boolean {
  return isLoopbackKey(Buffer.from(address).toString('latin1'))
}

function keyOf(address: string): string {
  return Buffer.from(parseAddress(address)).toString('latin1')
}

function isLoopbackKey(key: string): boolean {
  return key.startsWith(MAPPED_LOOPBACK) || key === LOOPBACK
}

function interfaceAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap(list => (list ?? []).map(entry => entry.address))
}
