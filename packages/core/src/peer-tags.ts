import type { SeenTag, SeenTags } from './short-tag-reader.js'
import { ISSUER_TAG, PORT_TAG } from './tags.js'

/**
 * What the rules see of a peer: a copy of its verified tags with the node that signed them and, towards a receiver, the
 * port that was connected to. The claims themselves never change: they are cached, and another port sees them next.
 */
export function peerTags(tags: SeenTags, issuer: string, port: number | undefined): SeenTags {
  const seen: SeenTag[] = [...tags, { key: ISSUER_TAG, value: issuer }]
  if (port !== undefined) seen.push({ key: PORT_TAG, value: String(port) })
  return seen
}
