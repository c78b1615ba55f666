import { TriremeError } from './errors.js'

/** One attribute of an identity. A key may occur several times with different values. */
export interface Tag {
  readonly key: string
  readonly value: string
}

export type Tags = readonly Tag[]

/** The tag that the verifier adds to a copy of the peer's tags: the port of the PU that was connected to, in decimal. */
export const PORT_TAG = '@sys:port'

/** The tag that the verifier adds to a copy of the peer's tags: the server ID of the node that signed them. */
export const ISSUER_TAG = '@sys:issuer'

/** Tags under these prefixes are never an identity's own: a record that carries one is refused. */
export const RESERVED_TAG_PREFIXES: readonly string[] = ['@', '$']

export function isReservedTagKey(key: string): boolean {
  return RESERVED_TAG_PREFIXES.some(prefix => key.startsWith(prefix))
}

/** `key=value`; the value may contain `=`, the key may not. */
export function formatTag(tag: Tag): string {
  return `${tag.key}=${tag.value}`
}

/**
 * Reads `key=value`, split at the first `=`.
 * @throws TriremeError `ERR_INVALID_TAG` where there is no `=` or no key.
 */
export function parseTag(text: string): Tag {
  const at = text.indexOf('=')
  if (at <= 0) {
    throw new TriremeError(
      'ERR_INVALID_TAG',
      `tag ${JSON.stringify(text)}: expected key=value with a non-empty key`,
    )
  }
  return { key: text.slice(0, at), value: text.slice(at + 1) }
}
