import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parsePolicy } from './parse-policy.js'

/** The blocks of one language in a page of the repository. */
function blocksOf(page: string, language: string): readonly string[] {
  const text = readFileSync(new URL(`../../../${page}`, import.meta.url), 'utf8')
  return [...text.matchAll(new RegExp(`^\`\`\`${language}[^\\n]*\\n(.*?)^\`\`\``, 'gms'))].map(
    ([, block]) => block ?? '',
  )
}

describe.each(['docs/policy.md', 'packages/policy-file/README.md'])('%s', page => {
  const examples = blocksOf(page, 'yaml')

  it('has examples', () => expect(examples.length).toBeGreaterThan(0))

  it.each(examples.map((text, index) => [index, text] as const))('example %i is a policy', (_index, text) => {
    expect(parsePolicy(text, 'policy.yaml').rules.length).toBeGreaterThan(0)
  })
})

it('the errors of the reference are those of the parser', () => {
  const text = `rules:
  - name: web
    from: { app: { in: x } }
    to: {}
  - name: web
pus:
  - { dns: yes }
`
  const message = messageOf(text)
  const [first, , third] = (blocksOf('docs/policy.md', 'text')[0] ?? '').trim().split('\n')
  for (const line of [first, third]) expect(message).toContain(line)
})

it('every key of the file stands in the reference', () => {
  const keys = /expected a map with (.*)$/m.exec(messageOf('[]'))?.[1]?.split(', ')
  expect(keys).toHaveLength(6)
  const page = readFileSync(new URL('../../../docs/policy.md', import.meta.url), 'utf8')
  for (const key of keys ?? []) expect(page).toContain(`| \`${key}\``)
})

function messageOf(text: string): string {
  try {
    parsePolicy(text, 'policy.yaml')
    return ''
  } catch (error) {
    return String(error)
  }
}
