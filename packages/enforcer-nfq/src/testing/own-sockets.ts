import type { Sockets } from '../datapath/sockets.js'

/** A kernel in which every listener is the PU's, and of which no connection is known. */
export const OWN_SOCKETS: Sockets = {
  listenerOfSyn: () => 'own',
  listenerOfAck: () => 'own',
  hasConnection: () => false,
  open() {},
  forget() {},
  close() {},
}
