/** The packet generator: builds the packets that tests of a data path need, from plain descriptions. */
export { addressBytes } from './address-bytes.js'
export type { ExtensionHeader, IpDescription } from './build-ip.js'
export { buildOptions, LINUX_SYN_OPTIONS, type TcpOption } from './build-options.js'
export {
  type IcmpDescription,
  icmpPacket,
  ipPacket,
  type TcpDescription,
  tcpPacket,
  type UdpDescription,
  udpPacket,
} from './build-packet.js'
export { describePacket } from './describe-packet.js'
export type { TcpFlag } from './tcp-flag.js'
export {
  type FlowData,
  type FlowDescription,
  type FlowEnd,
  type FlowPacket,
  type TcpFlow,
  tcpHandshake,
} from './tcp-handshake.js'
