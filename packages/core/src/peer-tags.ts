import { ISSUER_TAG, PORT_TAG, type Tags } from './tags.js'

/**
 * What the rules see of a peer: a copy of its verified tags with the node that signed them and, towards a receiver, the
 * port that was connected to. The claims themselves never change: they are cached, and another port sees them next.
 */
export function peerTags(tags: Tags, issuer: string, port: number | undefined): Tags {
  const seen = [...tags, { key: ISSUER_TAG, value: issuer }]
  if (port !== undefined) seen.push({ key: PORT_TAG, value: String(port) })
  return seen
}
