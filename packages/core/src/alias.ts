import { isIP } from 'node:net'
import { formatAddress, parseAddress } from './address.js'

/**
 * An address by which peers may dial a PU, as `ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`, in the form in which aliases are
 * compared: the address as RFC 5952 §4 has it.
 * @throws RangeError for any other text.
 */
export function parseAlias(text: string): string {
  const [, address = text, port] =
    /^\[([\da-f:.]+)\]:(\d{1,5})$/i.exec(text) ?? /^([\d.]+):(\d{1,5})$/.exec(text) ?? []
  const isPort = port === undefined || (Number(port) >= 1 && Number(port) <= 65_535)
  if (!isPort || isIP(address) === 0 || address.includes('%')) {
    throw new RangeError(
      `alias ${JSON.stringify(text)}: expected an address with or without a port, such as 203.0.113.7, 203.0.113.7:443 or [2001:db8::7]:443`,
    )
  }
  const plain = formatAddress(parseAddress(address))
  if (port === undefined) return plain
  return plain.includes(':') ? `[${plain}]:${Number(port)}` : `${plain}:${Number(port)}`
}
