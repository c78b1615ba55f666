import { TriremeError } from '@trireme/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parsePolicy } from './parse-policy.js'

function complaint(text: string): string {
  try {
    parsePolicy(text, 'policy.yaml')
  } catch (error) {
    expect(error).toBeInstanceOf(TriremeError)
    expect((error as TriremeError).code).toBe('ERR_POLICY')
    return (error as TriremeError).message
  }
  throw new Error(`not refused: ${text}`)
}

describe('parsePolicy', () => {
  const rule = (change: string) =>
    `rules:\n  - name: r\n    to: { app: web }\n    from: { app: cli }\n    action: allow\n    ${change}`
  const selector = (text: string) => `rules:\n  - { name: r, to: {}, action: allow, from: ${text} }`
  const external = (change: string) =>
    `external:\n  - { name: e, pu: {}, direction: in, action: allow, networks: [192.0.2.0/24], ${change} }`
  const network = (text: string) =>
    `external:\n  - { name: e, pu: {}, direction: in, action: allow, networks: ${text} }`

  it.each([
    ['an empty file', '', 'policy.yaml:1: empty, expected a map with default, rules, external'],
    ['text', 'deny', 'policy.yaml:1: "deny", expected a map with default, rules, external'],
    ['a list', '- deny', 'policy.yaml:1: a list, expected a map with default, rules, external'],
    [
      'an unknown key',
      'dfault: deny',
      'policy.yaml:1: dfault: unknown key, expected one of default, rules, external',
    ],
    ['the default allow', 'default: allow', 'policy.yaml:1: default: "allow", expected deny'],
    ['a key twice', 'default: deny\ndefault: deny', 'policy.yaml:2: default: the key is there twice'],
    ['a tag twice', selector('{ a: 1, a: 2 }'), 'policy.yaml:2: rules[0].from.a: the key is there twice'],
    [
      'two documents',
      'default: deny\n---\nrules: []',
      'policy.yaml:2: a second document (---), expected one',
    ],
    ['no YAML', 'rules: [', 'policy.yaml:1: not well-formed YAML'],
    ['a YAML tag', selector('!x { a: 1 }'), 'policy.yaml:2: rules[0].from: a YAML tag'],
    ['a tag that YAML knows', selector('{ a: !!str 1 }'), 'policy.yaml:2: rules[0].from.a: a YAML tag'],
    ['a tag of no kind', selector('{ a: ! b }'), 'policy.yaml:2: rules[0].from.a: a YAML tag'],
    ['a tagged map', selector('!!map { a: b }'), 'policy.yaml:2: rules[0].from: a YAML tag'],
    ['a tagged list', 'rules: !!seq []', 'policy.yaml:1: rules: a YAML tag'],
    ['a tagged document', '!!map\ndefault: deny', 'a YAML tag'],
    ['a tagged key', selector('{ !!str a: b }'), 'policy.yaml:2: rules[0].from.a: a YAML tag'],
    ['a tag on nothing', 'default: !!str', 'policy.yaml:1: a YAML tag'],
    ['a tag in full', selector('{ a: !<tag:yaml.org,2002:str> b }'), 'rules[0].from.a: a YAML tag'],
    ['a merge key', selector('{ <<: { a: b } }'), 'policy.yaml:2: rules[0].from["<<"].a'],
    ['a mode of the file', 'mode: off', 'policy.yaml:1: mode: "off", expected enforce or observe'],
    ['DNS of the file', 'dns: yes', 'policy.yaml:1: dns: "yes", expected allow or deny'],
    [
      'settings without PUs',
      'pus: [{ dns: allow }]',
      'policy.yaml:1: pus[0].pu: missing, expected a selector',
    ],
    [
      'settings that set nothing',
      'pus: [{ pu: {} }]',
      'policy.yaml:1: pus[0]: a map, expected a map with mode, dns or both',
    ],
    [
      'a setting that is none',
      'pus: [{ pu: {}, dns: allow, deny: drop }]',
      'pus[0].deny: unknown key, expected one of pu, mode, dns',
    ],
    [
      'the name of what dns: allow lets pass',
      "rules: [{ name: 'dns: allow', to: {}, from: {}, action: allow }]",
      'expected another name than dns: allow',
    ],
    ['an unknown alias', selector('*x'), 'policy.yaml: an alias'],
    ['a map as a key', '? { a: b }\n: c', 'policy.yaml:1: not well-formed YAML'],
    ['rules that are no list', 'rules: {}', 'policy.yaml:1: rules: an empty map, expected a list of rules'],
    ['rules left empty', 'rules:', 'policy.yaml:1: rules: empty, expected a list of rules'],
    ['a missing name', 'rules: [{}]', 'policy.yaml:1: rules[0].name: missing, expected a name'],
    ['a missing selector', 'rules: [{}]', 'policy.yaml:1: rules[0].to: missing, expected a selector'],
    ['a missing action', 'rules: [{}]', 'policy.yaml:1: rules[0].action: missing, expected allow or deny'],
    [
      'an unknown key of a rule',
      rule('port: 80'),
      'policy.yaml:6: rules[0].port: unknown key, expected one of name, to, from, ports, action, mode',
    ],
    [
      'an unknown mode',
      rule('mode: watch'),
      'policy.yaml:6: rules[0].mode: "watch", expected enforce or observe',
    ],
    [
      'an allow rule that observes',
      rule('mode: observe'),
      'policy.yaml:6: rules[0].mode: "observe", expected enforce',
    ],
    ['port 0', rule('ports: [0]'), 'policy.yaml:6: rules[0].ports[0]: "0", expected a port from 1 to 65535'],
    ['port 65536', rule('ports: [65536]'), 'policy.yaml:6: rules[0].ports[0]: "65536", expected a port'],
    ['a port in hex', rule('ports: [0x50]'), 'policy.yaml:6: rules[0].ports[0]: "0x50", expected a port'],
    ['a named port', rule('ports: [http]'), 'policy.yaml:6: rules[0].ports[0]: "http", expected a port'],
    [
      'a range backwards',
      rule('ports: [90-80]'),
      'policy.yaml:6: rules[0].ports[0]: "90-80", expected a port',
    ],
    [
      'a port twice',
      rule('ports: [80, "80"]'),
      'policy.yaml:6: rules[0].ports[1]: "80", expected every item once',
    ],
    [
      'no ports',
      rule('ports: []'),
      'policy.yaml:6: rules[0].ports: an empty list, expected a list of ports with at least one item',
    ],
    [
      'ports without a list',
      rule('ports: 80'),
      'policy.yaml:6: rules[0].ports: "80", expected a list of ports',
    ],
    [
      'an unknown operator',
      selector('{ a: { in: [x] } }'),
      'policy.yaml:2: rules[0].from.a.in: a list, expected one operator: not or exists',
    ],
    [
      'no operator',
      selector('{ a: {} }'),
      'policy.yaml:2: rules[0].from.a: an empty map, expected one operator',
    ],
    [
      'two operators',
      selector('{ a: { not: x, exists: true } }'),
      'policy.yaml:2: rules[0].from.a: a map, expected one operator',
    ],
    [
      'not without a value',
      selector('{ a: { not: } }'),
      'policy.yaml:2: rules[0].from.a.not: empty, expected a value',
    ],
    [
      'not of nothing',
      selector('{ a: { not: [] } }'),
      'policy.yaml:2: rules[0].from.a.not: an empty list, expected a list of values',
    ],
    [
      'exists of neither',
      selector('{ a: { exists: yes } }'),
      'policy.yaml:2: rules[0].from.a.exists: "yes", expected true or false',
    ],
    [
      'no values',
      selector('{ a: [] }'),
      'policy.yaml:2: rules[0].from.a: an empty list, expected a list of values',
    ],
    ['no value', selector('{ a: }'), 'policy.yaml:2: rules[0].from.a: empty, expected a value'],
    ['null', selector('{ a: null }'), 'policy.yaml:2: rules[0].from.a: empty, expected a value'],
    [
      'a value twice',
      selector('{ a: [x, x] }'),
      'policy.yaml:2: rules[0].from.a[1]: "x", expected every item once',
    ],
    [
      'an operator in a list',
      selector('{ a: [x, { not: y }] }'),
      'policy.yaml:2: rules[0].from.a[1]: a map, expected a value',
    ],
    [
      'a star in the middle',
      selector('{ a: x*y }'),
      'policy.yaml:2: rules[0].from.a: "x*y", expected a value with * at its end only',
    ],
    [
      'a reserved tag',
      selector('{ "@sys:port": 80 }'),
      'policy.yaml:2: rules[0].from["@sys:port"]: "80", expected a tag that does not begin with @ or $',
    ],
    [
      'a tag without a name',
      selector('{ "": x }'),
      'policy.yaml:2: rules[0].from[""]: "x", expected a tag whose name is not empty',
    ],
    [
      'a tag with =',
      selector('{ a=b: x }'),
      'policy.yaml:2: rules[0].from["a=b"]: "x", expected a tag whose name',
    ],
    [
      'no selectors',
      selector('[]'),
      'policy.yaml:2: rules[0].from: an empty list, expected a selector or a list of selectors with at least one item',
    ],
    [
      'a selector that is text',
      selector('web'),
      'policy.yaml:2: rules[0].from: "web", expected a selector: a map of tag to value, or {} for everyone',
    ],
    [
      'a selector twice',
      selector('[{ a: x }, { a: x }]'),
      'policy.yaml:2: rules[0].from[1]: a map, expected every item once',
    ],
    [
      'a name twice',
      `${rule('')}\nexternal:\n  - { name: r, pu: {}, direction: in, networks: [192.0.2.0/24], action: deny }`,
      'policy.yaml:8: external[0].name: "r", expected a name that no rule before it has',
    ],
    [
      'a name that means no rule',
      'rules: [{ name: default deny, to: {}, from: {}, action: deny }]',
      'policy.yaml:1: rules[0].name: "default deny", expected another name',
    ],
    [
      'a name over two lines',
      'rules: [{ name: "a\\nb", to: {}, from: {}, action: deny }]',
      'policy.yaml:1: rules[0].name: "a\\nb", expected a name',
    ],
    [
      'a bad prefix length',
      network('[192.0.2.0/33]'),
      'policy.yaml:2: external[0].networks[0]: "192.0.2.0/33", expected a prefix length of 0 to 32',
    ],
    [
      'an address',
      network('[192.0.2.1]'),
      'policy.yaml:2: external[0].networks[0]: "192.0.2.1", expected a prefix length: 192.0.2.1/32',
    ],
    [
      'a host name',
      network('[example.org]'),
      'policy.yaml:2: external[0].networks[0]: "example.org", expected an IPv4 or IPv6 network',
    ],
    [
      'host bits',
      network('[192.0.2.1/24]'),
      'policy.yaml:2: external[0].networks[0]: "192.0.2.1/24", expected no bits behind the prefix: 192.0.2.0/24',
    ],
    [
      'no networks',
      network('[]'),
      'policy.yaml:2: external[0].networks: an empty list, expected a list of CIDRs with at least one item',
    ],
    [
      'a network twice',
      network('["fd00::/8", "FD00::/8"]'),
      'policy.yaml:2: external[0].networks[1]: "FD00::/8", expected every item once',
    ],
    [
      'an unknown protocol',
      external('protocol: sctp'),
      'policy.yaml:2: external[0].protocol: "sctp", expected tcp, udp, icmp or any',
    ],
    [
      'ports of ICMP',
      external('protocol: icmp, ports: [80]'),
      'policy.yaml:2: external[0].ports: a list, expected ports only with protocol tcp or udp',
    ],
    [
      'ports of any protocol',
      external('protocol: any, ports: [80]'),
      'policy.yaml:2: external[0].ports: a list, expected ports only with',
    ],
    [
      'observe for an external rule that allows',
      external('mode: observe'),
      'policy.yaml:2: external[0].mode: "observe", expected enforce',
    ],
    [
      'an unknown direction',
      'external: [{ direction: both }]',
      'policy.yaml:1: external[0].direction: "both", expected in or out',
    ],
  ])('refuses %s', (_what, text, expected) => {
    expect(complaint(text)).toContain(expected)
  })

  it('names every flaw, a line each', () => {
    expect(complaint('rules:\n  - { name: a, action: permit }\n  - 7').split('\n')).toEqual([
      expect.stringContaining('policy.yaml:2: rules[0].to: missing'),
      expect.stringContaining('policy.yaml:2: rules[0].from: missing'),
      expect.stringContaining('policy.yaml:2: rules[0].action: "permit"'),
      expect.stringContaining('policy.yaml:3: rules[1]: "7"'),
    ])
  })

  it('finds a tag wherever it stands, and takes the same text without it', () => {
    const places = [
      'default: @deny',
      'rules: @[]',
      'rules: [@{ name: r, to: {}, from: {}, action: allow }]',
      'rules: [{ @name: r, to: {}, from: {}, action: allow }]',
      'rules: [{ name: r, to: @{ a: b }, from: {}, action: allow }]',
      'rules: [{ name: r, to: { a: [b, @c] }, from: {}, action: allow }]',
      'mode: @observe',
      '@dns: allow',
    ]
    const forms = ['!', '!!str', '!!map', '!!seq', '!!null', '!!int', '!x', '!<x>']
    fc.assert(
      fc.property(fc.constantFrom(...places), fc.constantFrom(...forms), (place, form) => {
        parsePolicy(place.replace('@', ''), 'p')
        expect(complaint(place.replace('@', `${form} `))).toContain('policy.yaml:1: ')
      }),
    )
  })

  it('shows a hundred flaws, and how many more there are', () => {
    const lines = complaint(`rules: [${'{},'.repeat(100_000)}]`).split('\n')
    expect(lines).toHaveLength(101)
    expect(lines[100]).toBe('policy.yaml: 399900 more flaws')
  })

  it('refuses aliases that unfold without end', () => {
    const bomb = [
      'a: &a0 [x]',
      ...Array.from({ length: 9 }, (_, i) => `a${i}: &a${i + 1} [${`*a${i},`.repeat(9)}]`),
    ]
    expect(complaint(bomb.join('\n'))).toContain('policy.yaml: an alias')
  })
})
