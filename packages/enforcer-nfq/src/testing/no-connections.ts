import type { Connections } from '../connections.js'

/** The lists of a kernel that knows no connection. */
export const NO_CONNECTIONS: Connections = {
  list: () => [],
  sockets: () => [],
  flip() {},
  forget() {},
  end: () => true,
  close() {},
}
