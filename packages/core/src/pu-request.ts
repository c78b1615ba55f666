import type { PortRange, PUEvent } from './pu.js'
import type { Tags } from './tags.js'

/** One event of one PU, as a program outside the daemon asks for it. */
export interface PURequest {
  readonly event: PUEvent
  /** Names the processor that is asked: `linux-process`, `user-session` or a name of the processor's author. */
  readonly type: string
  /** As an earlier answer named the PU; absent where the PU is new. */
  readonly contextID?: string
  readonly name?: string
  /** In the daemon's PID namespace. */
  readonly pid?: number
  readonly tags: Tags
  /** Ports on which the PU is going to accept connections. */
  readonly ports: readonly PortRange[]
  /** Whether it may accept on every port on which it is found listening. */
  readonly discoverPorts?: boolean
  /** Addresses by which peers may dial it, as `parseAlias` answers them. Default none. */
  readonly aliases?: readonly string[]
  /** What only the processor of the type understands. */
  readonly options: Readonly<Record<string, string>>
}

/** Who asks. */
export interface PUCaller {
  /** 0 is root, who may ask for everything. */
  readonly uid: number
}

/** Carries out the requests about one type of PU. */
export interface PURequestProcessor {
  /**
   * Resolves when the event has taken effect. Where it rejects, nothing has changed.
   * @throws RangeError, TypeError or TriremeError for what the caller got wrong, or may not do.
   */
  handleRequest(request: PURequest, caller: PUCaller): Promise<{ readonly contextID: string }>
}
