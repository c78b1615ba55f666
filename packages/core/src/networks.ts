/** Where peers carry an identity, and where Trireme does not look at all. CIDRs of either family. */
export interface Networks {
  readonly trireme: readonly string[]
  readonly excluded: readonly string[]
}

/** Private and loopback addresses of both families. */
export const DEFAULT_TRIREME_NETWORKS: readonly string[] = [
  '10.0.0.0/8',
  '127.0.0.0/8',
  '::1/128',
  'fd00::/8',
]
