import assert from 'node:assert/strict'

/** A record's bytes with the credential that travels in them replaced by another, everything else as it was. */
export function withOtherCredential(
  encoding: 'jwt' | 'binary',
  record: Uint8Array,
  [own, other]: readonly [Uint8Array, Uint8Array],
): Uint8Array {
  const bytes = Buffer.from(record)
  if (encoding === 'jwt') {
    const [header = '', ...rest] = bytes.toString().split('.')
    const text = Buffer.from(header, 'base64url').toString()
    const base64url = (each: Uint8Array) => Buffer.from(each).toString('base64url')
    assert.ok(text.includes(base64url(own)), 'the record does not carry the credential')
    const changed = text.replace(base64url(own), base64url(other))
    return Buffer.from([Buffer.from(changed).toString('base64url'), ...rest].join('.'))
  }
  const at = bytes.indexOf(own)
  assert.ok(at > 0, 'the record does not carry the credential')
  const lengthBytes = own.length < 0x80 ? 1 : 2
  const length = other.length < 0x80 ? [other.length] : [0x80 | (other.length >> 8), other.length & 0xff]
  return Buffer.concat([
    bytes.subarray(0, at - lengthBytes),
    Buffer.from(length),
    other,
    bytes.subarray(at + own.length),
  ])
}
