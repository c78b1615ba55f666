import { randomBytes } from 'node:crypto'
import type { RecordClaims, Tag } from '@trireme/core'

/** Claims of a PU on `host-a`, frozen, with a new key; but for what is said otherwise. */
export function sampleClaims(differences: Partial<RecordClaims> = {}): RecordClaims {
  const claims: RecordClaims = {
    issuer: 'host-a',
    puID: 'web-1',
    tags: [
      { key: 'app', value: 'web' },
      { key: 'env', value: 'prod' },
    ],
    ephemeralKey: new Uint8Array(randomBytes(32)),
    notBefore: 1_900_000_000,
    notAfter: 1_900_000_180,
    ...differences,
  }
  for (const tag of claims.tags) Object.freeze(tag)
  Object.freeze(claims.tags)
  return Object.freeze(claims)
}

/** Tags that a careless encoding loses, joins, splits, trims, folds or reads as something else. */
export const ODD_TAGS: Readonly<Record<string, readonly Tag[]>> = {
  'an empty value': [{ key: 'k', value: '' }],
  'one key with several values': ['', 'a', 'b', 'a,b'].map(value => ({ key: 'k', value })),
  'keys that begin each other': [
    { key: 'a', value: 'bc' },
    { key: 'ab', value: 'c' },
    { key: 'abc', value: '' },
  ],
  'separators in values': ['=', 'a=b', '==', ',', 'a,b', ';', ':', '\n', '\t', '\r\n', '|', '&'].map(
    value => ({
      key: 'k',
      value,
    }),
  ),
  'separators in keys': [',', ' ', ';', ':', '/', 'a.b/c', '\n', '"', '\\'].map(key => ({ key, value: 'v' })),
  NUL: [
    { key: 'a\0b', value: 'c' },
    { key: 'a', value: 'b\0c' },
    { key: 'a', value: '\0' },
  ],
  'quotes and escapes': ['"', "'", '\\', '\\u0041', '%41', '&amp;', '$x', '`', '</script>'].map(value => ({
    key: 'k',
    value,
  })),
  'white space at the ends': [' a', 'a ', ' ', '\u00a0a', '\ufeffa', 'a\u2028'].map(value => ({
    key: 'k',
    value,
  })),
  'upper and lower case': [
    { key: 'App', value: 'Web' },
    { key: 'app', value: 'web' },
    { key: 'app', value: 'WEB' },
  ],
  'two forms of one letter': [
    { key: 'k', value: '\u00e9' },
    { key: 'k', value: 'e\u0301' },
  ],
  'characters of one to four bytes': [
    '\u007f',
    '\u0080',
    '\u07ff',
    '\u0800',
    '\uffff',
    '\u{10000}',
    '\u{10ffff}',
  ].map(value => ({ key: value, value })),
  'the order of UTF-16 that is not that of UTF-8': [
    { key: 'k', value: '\uff5e' },
    { key: 'k', value: '\u{1f600}' },
  ],
  'texts that look like other things': [
    '0',
    '-1',
    '1e3',
    '00',
    'true',
    'null',
    'undefined',
    '[]',
    '{}',
    'NaN',
  ].map(value => ({ key: value, value })),
  'names that every object has': ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length'].map(
    key => ({
      key,
      value: key,
    }),
  ),
}

/** Tags and names that have no place in a record: `=` ends a key, and a lone surrogate has no form in UTF-8. */
export const UNENCODABLE: Readonly<Record<string, Partial<RecordClaims>>> = {
  'an empty issuer': { issuer: '' },
  'an issuer of 256 bytes': { issuer: 'i'.repeat(256) },
  'an empty PU ID': { puID: '' },
  'a PU ID with a lone surrogate': { puID: 'a\udc00' },
  'a tag without key': { tags: [{ key: '', value: 'v' }] },
  'a key with =': { tags: [{ key: 'a=b', value: 'c' }] },
  'a key with a lone surrogate': { tags: [{ key: 'a\ud800', value: 'v' }] },
  'a value with a lone surrogate': { tags: [{ key: 'a', value: '\udc00' }] },
  'an ephemeral key of 31 bytes': { ephemeralKey: new Uint8Array(31) },
  'an ephemeral key of 33 bytes': { ephemeralKey: new Uint8Array(33) },
  'a fraction of a second': { notBefore: 1.5 },
  'a time before 1970': { notBefore: -1 },
  'no time': { notAfter: Number.NaN },
}
