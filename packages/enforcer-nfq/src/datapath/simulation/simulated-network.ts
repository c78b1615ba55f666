import { type ManualClock, manualClock } from '@trireme/core/testing'
import { describePacket } from '../../testing/index.js'
import { destinationOf, SimulatedHost, type SimulatedHostOptions } from './simulated-host.js'

/** A packet as the wire hands it on, some time after it was sent. */
export interface Delivery {
  readonly bytes: Uint8Array
  readonly delayMs: number
}

/** What the wire makes of a packet: nothing, itself, several. */
export type Tamper = (bytes: Uint8Array, index: number) => readonly Delivery[]

/** A wire carries a packet in this time. */
export const WIRE_MS = 1

/** Hosts on one wire that a test controls, with one clock. */
export class SimulatedNetwork {
  readonly clock: ManualClock = manualClock()
  /** Every packet that was put on the wire, in order. */
  readonly sent: Uint8Array[] = []
  readonly hosts: SimulatedHost[] = []
  tamper: Tamper = bytes => [{ bytes, delayMs: WIRE_MS }]

  addHost(options: Omit<SimulatedHostOptions, 'clock' | 'toWire'>): SimulatedHost {
    const { clock } = this
    const host = new SimulatedHost({ ...options, clock, toWire: (_, bytes) => this.#transmit(bytes) })
    this.hosts.push(host)
    return host
  }

  /** Lets time pass. */
  run(ms: number): void {
    this.clock.advance(ms)
  }

  /** Lets time pass, and engines answer meanwhile. */
  async runAsync(ms: number, stepMs: number = WIRE_MS): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      this.clock.advance(stepMs)
      await new Promise(resolve => setImmediate(resolve))
      for (const host of this.hosts) host.drain()
    }
  }

  /** Puts a packet on the wire as any stranger could. */
  inject(bytes: Uint8Array): void {
    const address = destinationOf(bytes)
    for (const host of this.hosts) if (host.has(address)) host.input(bytes)
  }

  /** What went over the wire, a line a packet. */
  describe(): string[] {
    return this.sent.map(describePacket)
  }

  #transmit(bytes: Uint8Array): void {
    const index = this.sent.push(bytes) - 1
    for (const delivery of this.tamper(bytes, index))
      this.clock.setTimer(() => this.inject(delivery.bytes), delivery.delayMs)
  }
}
