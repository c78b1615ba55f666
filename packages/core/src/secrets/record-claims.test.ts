import { describe, expect, it } from 'vitest'
import type { RecordClaims } from '../plugin.js'
import { canonicalTags, recordClaimsFault } from './record-claims.js'

const CLAIMS: RecordClaims = {
  issuer: 'host-a',
  puID: 'pu',
  tags: [{ key: 'app', value: 'web' }],
  ephemeralKey: new Uint8Array(32),
  notBefore: 1_700_000_000,
  notAfter: 1_700_000_180,
}

describe('recordClaimsFault', () => {
  it('finds nothing wrong with ordinary claims, nor with odd ones that an encoding can carry', () => {
    expect(recordClaimsFault(CLAIMS)).toBeUndefined()
    expect(recordClaimsFault({ ...CLAIMS, tags: [] })).toBeUndefined()
    const tags = [
      { key: '\0', value: '' },
      { key: '@sys:port', value: 'a=b,c=\ud83d\ude00' },
    ]
    expect(recordClaimsFault({ ...CLAIMS, issuer: 'é'.repeat(127), tags })).toBeUndefined()
  })

  it.each<[Partial<RecordClaims>, RegExp]>([
    [{ issuer: '' }, /issuer is empty/],
    [{ issuer: 'é'.repeat(128) }, /issuer has 256 bytes, expected at most 255/],
    [{ issuer: '\ud800' }, /issuer has a lone surrogate/],
    [{ puID: '' }, /puID is empty/],
    [{ puID: 'a\udc00' }, /puID has a lone surrogate/],
    [{ ephemeralKey: new Uint8Array(31) }, /ephemeralKey has 31 bytes, expected 32/],
    [{ notBefore: -1 }, /notBefore is -1/],
    [{ notBefore: 0.5 }, /notBefore is 0.5/],
    [{ notAfter: Number.NaN }, /notAfter is NaN/],
    [{ notAfter: 2 ** 53 }, /notAfter is/],
    [{ tags: [{ key: '', value: 'a' }] }, /tag ""/],
    [{ tags: [{ key: 'a=b', value: 'a' }] }, /tag "a=b"/],
    [{ tags: [{ key: 'a', value: '\ud800' }] }, /tag "a"/],
  ])('names what is wrong with %j', (change, message) => {
    expect(recordClaimsFault({ ...CLAIMS, ...change })).toMatch(message)
  })
})

describe('canonicalTags', () => {
  const tags = (...texts: string[]) =>
    texts.map(text => ({ key: text.split('=')[0]!, value: text.split('=')[1]! }))

  it('orders by key, then by value, and keeps one of equal tags', () => {
    expect(canonicalTags(tags('b=1', 'a=2', 'a=10', 'a!=0', 'a=2'))).toEqual(
      tags('a=10', 'a=2', 'a!=0', 'b=1'),
    )
  })

  it('orders by bytes of UTF-8, not by units of UTF-16', () => {
    expect(canonicalTags(tags('\u{1f600}=', '\uffee='))).toEqual(tags('\uffee=', '\u{1f600}='))
  })
})
