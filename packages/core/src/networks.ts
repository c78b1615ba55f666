/** Where peers carry an identity, and where Trireme does not look at all. CIDRs of either family. */
export interface Networks {
  readonly trireme: readonly string[]
  readonly excluded: readonly string[]
  /** Default none. */
  readonly failsafe?: readonly FailsafePort[]
}

/** A port whose connections are never trapped, so that a mistaken policy locks nobody out. */
export interface FailsafePort {
  /** `in`: peers connect to this port here. `out`: this port of peers is connected to from here. */
  readonly direction: 'in' | 'out'
  readonly protocol: 'tcp' | 'udp'
  /** 1 to 65535. */
  readonly port: number
  /** CIDRs of the peers, at least one. */
  readonly peers: readonly string[]
}

/** Private and loopback addresses of both families. */
export const DEFAULT_TRIREME_NETWORKS: readonly string[] = [
  '10.0.0.0/8',
  '127.0.0.0/8',
  '::1/128',
  'fd00::/8',
]
