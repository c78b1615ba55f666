/**
 * Why bytes are not a TCP packet that may be judged:
 *
 * - `not-ip`: neither IPv4 nor IPv6
 * - `not-tcp`: another protocol, or an extension header past which nobody may look
 * - `fragment`: a part of a packet; the kernel reassembles before it queues where connections are tracked
 * - `truncated`: the bytes end before the packet does
 * - `malformed`: one of its lengths contradicts another
 * - `source-route`: the destination address is not where the packet ends up
 * - `mapped-address`: an IPv4-mapped address inside IPv6, which would pass for the IPv4 flow of the same
 * address
 * - `overlay-option`: our option twice, or with a length that is not ours
 */
export type PacketFault =
  | 'not-ip'
  | 'not-tcp'
  | 'fragment'
  | 'truncated'
  | 'malformed'
  | 'source-route'
  | 'mapped-address'
  | 'overlay-option'
