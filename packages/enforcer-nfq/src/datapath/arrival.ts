import type { FlowState } from '@trireme/core'
import type { TcpPacket } from '../packet/tcp-packet.js'
import type { PUContext } from './pu-context.js'

/** A packet as the kernel handed it over, and what the kernel knows of it. */
export interface Arrival {
  readonly packet: TcpPacket
  /** `app`: it leaves a PU. `net`: it is about to enter one. */
  readonly side: 'app' | 'net'
  /** It came over the loopback interface, or is about to leave over it. */
  readonly isLoopback: boolean
  /** Of the interface by which it came or is about to leave; 0 where the kernel does not say. */
  readonly interfaceIndex: number
  /** Both ends are in this namespace, or behind its interfaces: they share one connection entry. */
  readonly sharesEntry: boolean
  /** The PU whose queue it came through; undefined for the flow queue. */
  readonly pu: PUContext | undefined
  /** What the connection's entry said when the packet came. */
  readonly state: FlowState
  /** Whether that was decided under the policies of now. */
  readonly isCurrentEpoch: boolean
}
