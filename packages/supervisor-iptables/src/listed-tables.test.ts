import { describe, expect, it } from 'vitest'
import { incompleteTables, sectionsOf } from './listed-tables.js'

const TABLES = ['raw', 'mangle', 'filter', 'security']
const MANGLE = '*mangle\n:INPUT ACCEPT [0:0]\n-A INPUT -j TRI-aaaaaa-IN\nCOMMIT\n# Completed on Tue Dec  1\n'

describe('incompleteTables', () => {
  it.each([
    [
      'what iptables-nft says of native rules',
      "# Table `mangle' is incompatible, use 'nft' tool.\n",
      ['mangle'],
    ],
    [
      'what iptables -S says of them',
      "iptables v1.8.9 (nf_tables): table `raw' is incompatible, use 'nft' tool.",
      ['raw'],
    ],
    ['a section that was cut', MANGLE.slice(0, 40), ['mangle']],
    ['a section that was cut behind another one', `${MANGLE}*filter\n:INPUT ACCEPT [0:0]\n`, ['filter']],
    ['a table of others', "# Table `nat' is incompatible, use 'nft' tool.\n", []],
    [
      'base chains of others',
      `# Table \`mangle' contains incompatible base-chains, use 'nft' tool to list them.\n${MANGLE}`,
      [],
    ],
    ['legacy rules', `# Warning: iptables-legacy tables present, use iptables-legacy-save\n${MANGLE}`, []],
    ['ebtables, which has no COMMIT', '*filter\n:INPUT ACCEPT\n# Completed on Tue Dec  1\n', []],
    ['nothing at all', '', []],
  ])('%s', (_, said, expected) => {
    expect(incompleteTables(said, TABLES)).toEqual(expected)
  })

  it('sections are found by their tables', () => {
    expect([...sectionsOf(`# Generated\n${MANGLE}`).keys()]).toEqual(['mangle'])
  })
})
