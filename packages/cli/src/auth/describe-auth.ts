import type { LoadedAuth } from './load-secrets.js'

export type AuthDescription = Pick<LoadedAuth, 'mode' | 'keyID' | 'accepts'>

/** How a node authenticates, for people: `pki (key ID 0123456789abcdef; accepts psk)`. */
export function describeAuth({ mode, keyID, accepts }: AuthDescription): string {
  const besides = accepts.length > 0 ? `; accepts ${accepts.join(', ')}` : ''
  return `${mode} (key ID ${keyID}${besides})`
}
