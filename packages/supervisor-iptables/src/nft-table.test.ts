import { describe, expect, it } from 'vitest'
import { chainsDeletedFrom, handlesOf, splitRestore } from './nft-restore.js'
import { chainsToShow, renderSection, rulesShown } from './nft-save.js'
import { parseNftTable, parseNftTables } from './nft-table.js'

const IN = 'TRI-aaaaaa-IN'
const counter = { counter: { packets: 0, bytes: 0 } }
const inInput = (handle: number, ...expr: readonly unknown[]) => ({
  rule: { family: 'ip', table: 'mangle', chain: 'INPUT', handle, expr },
})
const TABLE = JSON.stringify({
  nftables: [
    { metainfo: { version: '1.0.6', json_schema_version: 1 } },
    { table: { family: 'ip', name: 'mangle', handle: 1 } },
    { chain: { family: 'ip', table: 'mangle', name: IN, handle: 1 } },
    {
      chain: { table: 'mangle', name: 'INPUT', type: 'filter', hook: 'input', prio: -150, policy: 'accept' },
    },
    inInput(7, counter, { jump: { target: IN } }),
    inInput(8, { match: {} }, { mangle: { key: { meta: { key: 'mark' } }, value: 5 } }),
    inInput(9, counter, { jump: { target: IN } }),
    inInput(10, { match: {} }, { goto: { target: IN } }),
  ],
})

describe('a table as nft lists it', () => {
  const table = parseNftTable(TABLE)

  it('is shown with every rule in its place', () => {
    expect(chainsToShow(table)).toEqual([IN, 'INPUT'])
    expect(renderSection('mangle', table, new Map([[IN, [`-A ${IN} -p udp -j DROP`]]]))).toBe(
      [
        '*mangle',
        `:${IN} - [0:0]`,
        ':INPUT ACCEPT [0:0]',
        `-A ${IN} -p udp -j DROP`,
        `-A INPUT -j ${IN}`,
        '-A INPUT [nft handle 8]',
        `-A INPUT -j ${IN}`,
        `-A INPUT [nft handle 10] -g ${IN}`,
        'COMMIT',
        '',
      ].join('\n'),
    )
  })

  it('loses the last of equal rules, by its handle', () => {
    const one = { chain: 'INPUT', target: IN }
    expect(handlesOf([one], table)).toEqual([10])
    expect(handlesOf([one, one], table)).toEqual([10, 9])
    expect(() => handlesOf([{ chain: 'OUTPUT', target: IN }], table)).toThrow(/OUTPUT -> TRI-aaaaaa-IN/)
  })

  it.each(['', '{}', '[]', 'Error: No such file or directory', '{"nftables": 1}'])(
    'is not taken for empty where the list is %j',
    text => {
      expect(() => parseNftTable(text)).toThrow(/not the JSON of libnftables/)
      expect(() => parseNftTables(text)).toThrow(/not the JSON of libnftables/)
    },
  )
})

it('chains without a rule are shown, too', () => {
  const listing = `-N ${IN}\n-P INPUT ACCEPT\n-A INPUT -j ${IN}\n`
  expect(rulesShown(listing)).toEqual(
    new Map([
      [IN, []],
      ['INPUT', [`-A INPUT -j ${IN}`]],
    ]),
  )
})

it('a restore is parted so that nothing goes before what replaces it', () => {
  const section = [
    'mangle',
    `:${IN} - [0:0]`,
    ':TRI-aaaaaa-OLD - [0:0]',
    `-A ${IN} -j RETURN`,
    `-D INPUT -j ${IN}`,
    `-I INPUT 1 -j ${IN}`,
    '-X TRI-aaaaaa-OLD',
    'COMMIT',
    '',
  ].join('\n')
  expect(chainsDeletedFrom(section)).toEqual(['INPUT'])
  expect(splitRestore(section)).toEqual({
    before: `*mangle\n:${IN} - [0:0]\n-A ${IN} -j RETURN\n-I INPUT 1 -j ${IN}\nCOMMIT\n`,
    deletions: [{ chain: 'INPUT', target: IN }],
    after: '*mangle\n:TRI-aaaaaa-OLD - [0:0]\n-X TRI-aaaaaa-OLD\nCOMMIT\n',
  })
})
