import { isIP } from 'node:net'
import { formatAddress, parseAddress } from './address.js'

/** The unspecified addresses (RFC 4291 §2.5.2), which stand for every address of the host. */
const ANY_ADDRESS: readonly string[] = ['0.0.0.0', '::']

/**
 * An address by which peers may dial a PU, as `ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`, in the form in which aliases are
 * compared: the address as RFC 5952 §4 has it. `0.0.0.0:PORT` and `[::]:PORT` mean every address that the host has in that family.
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
  if (port === undefined && ANY_ADDRESS.includes(plain)) {
    throw new RangeError(
      `alias ${JSON.stringify(text)}: expected a port with it, such as 0.0.0.0:443 or [::]:443`,
    )
  }
  if (port === undefined) return plain
  return plain.includes(':') ? `[${plain}]:${Number(port)}` : `${plain}:${Number(port)}`
}
