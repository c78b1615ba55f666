import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TriremeError } from '@trireme/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { loadPolicyFile, parsePolicy } from './parse-policy.js'

const EXAMPLE = `
default: deny
rules:
  - { name: web-from-frontend, to: { app: web }, from: { app: frontend }, ports: [8080], action: allow }
  - { name: no-dev-to-prod, to: { env: prod }, from: { env: dev }, action: deny }
external:
  - { name: web-from-office, pu: { app: web }, direction: in, networks: [192.0.2.0/24], ports: [8080], protocol: tcp, action: allow }
`

/** The clauses of one selector, written in YAML. */
function clausesOf(selector: string) {
  return parsePolicy(`rules: [{ name: r, to: ${selector}, from: {}, action: deny }]`, 'p').rules[0]?.to
}

describe('parsePolicy', () => {
  it('reads rules and external rules', () => {
    const is = (key: string, ...values: string[]) => [{ key, operator: '=', values }]
    expect(parsePolicy(EXAMPLE, 'policy.yaml')).toEqual({
      default: 'deny',
      rules: [
        {
          name: 'web-from-frontend',
          to: [is('app', 'web')],
          from: [is('app', 'frontend')],
          ports: [{ first: 8080, last: 8080 }],
          action: 'allow',
          mode: 'enforce',
        },
        {
          name: 'no-dev-to-prod',
          to: [is('env', 'prod')],
          from: [is('env', 'dev')],
          ports: [],
          action: 'deny',
          mode: 'enforce',
        },
      ],
      external: [
        {
          pu: [is('app', 'web')],
          direction: 'in',
          rule: {
            name: 'web-from-office',
            networks: ['192.0.2.0/24'],
            ports: [{ first: 8080, last: 8080 }],
            protocol: 'tcp',
            action: 'accept',
            mode: 'enforce',
          },
        },
      ],
    })
  })

  it.each([
    ['one value', '{ app: web }', [{ key: 'app', operator: '=', values: ['web'] }]],
    ['a list of values', '{ app: [web, db] }', [{ key: 'app', operator: '=', values: ['web', 'db'] }]],
    ['a prefix', '{ app: "web-*" }', [{ key: 'app', operator: '=', values: ['web-*'] }]],
    ['any value', '{ app: "*" }', [{ key: 'app', operator: '=', values: ['*'] }]],
    ['not a value', '{ app: { not: web } }', [{ key: 'app', operator: '=!', values: ['web'] }]],
    [
      'none of several',
      '{ app: { not: [web, "d*"] } }',
      [{ key: 'app', operator: '=!', values: ['web', 'd*'] }],
    ],
    ['present', '{ app: { exists: true } }', [{ key: 'app', operator: '*', values: [] }]],
    ['absent', '{ app: { exists: false } }', [{ key: 'app', operator: '!*', values: [] }]],
    ['an empty value', '{ app: "" }', [{ key: 'app', operator: '=', values: [''] }]],
    ['everyone', '{}', []],
    ['the issuer', '{ "@sys:issuer": host-a }', [{ key: '@sys:issuer', operator: '=', values: ['host-a'] }]],
    [
      'several clauses',
      '{ app: web, env: { not: dev } }',
      [
        { key: 'app', operator: '=', values: ['web'] },
        { key: 'env', operator: '=!', values: ['dev'] },
      ],
    ],
    ['a key that JavaScript knows', '{ __proto__: x }', [{ key: '__proto__', operator: '=', values: ['x'] }]],
  ])('reads a selector: %s', (_what, text, clauses) => {
    expect(clausesOf(text)).toEqual([clauses])
  })

  it('reads a list of selectors', () => {
    expect(clausesOf('[{ app: web }, {}]')).toEqual([[{ key: 'app', operator: '=', values: ['web'] }], []])
  })

  it.each(['8080', 'true', '1.10', '0x1F', '1e3', 'yes', '2024-01-01', '010', '-0'])(
    'takes a value as its text: %s',
    text => {
      expect(clausesOf(`{ tag: ${text} }`)?.[0]?.[0]?.values).toEqual([text])
    },
  )

  it('reads ports and ranges, quoted or not', () => {
    const [rule] = parsePolicy(
      'rules: [{ name: r, to: {}, from: {}, action: allow, ports: [1, "2", 8000-8100, "1-65535"] }]',
      'p',
    ).rules
    expect(rule?.ports).toEqual([
      { first: 1, last: 1 },
      { first: 2, last: 2 },
      { first: 8000, last: 8100 },
      { first: 1, last: 65535 },
    ])
  })

  it('takes tcp where an external rule has no protocol, and every port where it has none', () => {
    const text =
      'external: [{ name: e, pu: {}, direction: out, networks: ["2001:DB8::/32", 0.0.0.0/0], action: deny }]'
    expect(parsePolicy(text, 'p').external[0]?.rule).toEqual({
      name: 'e',
      networks: ['2001:db8::/32', '0.0.0.0/0'],
      ports: [],
      protocol: 'tcp',
      action: 'reject',
      mode: 'enforce',
    })
    expect(parsePolicy(`${text.slice(0, -2)}, mode: observe }]`, 'p').external[0]?.rule.mode).toBe('observe')
  })

  it('takes a document with nothing but its default', () => {
    expect(parsePolicy('default: deny', 'p')).toEqual({ default: 'deny', rules: [], external: [] })
  })

  it('follows anchors', () => {
    const text = 'rules: [{ name: r, to: &web { app: web }, from: *web, action: allow }]'
    expect(parsePolicy(text, 'p').rules[0]?.from).toEqual([[{ key: 'app', operator: '=', values: ['web'] }]])
  })

  it('answers any text with a document or an ERR_POLICY', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '{',
        '}',
        '[',
        ']',
        ':',
        ',',
        '\n',
        ' ',
        '-',
        '&a',
        '*a',
        '"',
        '!x',
        '|',
        '?',
        '---',
        'not',
        'exists',
      ),
      fc.string({ maxLength: 4 }),
    )
    const mangled = fc
      .tuple(fc.nat(EXAMPLE.length), fc.nat(20), fc.array(piece, { maxLength: 4 }))
      .map(([at, cut, pieces]) => EXAMPLE.slice(0, at) + pieces.join('') + EXAMPLE.slice(at + cut))
    const holds = (text: string) => {
      try {
        return parsePolicy(text, 'p').default === 'deny'
      } catch (error) {
        return error instanceof TriremeError && error.code === 'ERR_POLICY' && error.message.startsWith('p:')
      }
    }
    fc.assert(fc.property(mangled, holds), { numRuns: 400 })
  })
})

describe('loadPolicyFile', () => {
  it('reads a file, and names one that it cannot read', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'trireme-policy-'))
    try {
      const path = join(folder, 'policy.yaml')
      await writeFile(path, EXAMPLE)
      expect(await loadPolicyFile(path)).toEqual(parsePolicy(EXAMPLE, path))
      await expect(loadPolicyFile(`${path}.no`)).rejects.toThrow(
        `${path}.no: ENOENT, expected a readable file`,
      )
      await writeFile(path, Buffer.from([0xff, 0xfe, 0xfd]))
      await expect(loadPolicyFile(path)).rejects.toMatchObject({ code: 'ERR_POLICY' })
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
