import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8')

it('README and header show the example, and it runs', async () => {
  const example = read('./readme.example.ts')
  expect(read('../README.md')).toContain(`\`\`\`ts\n${example}\`\`\`\n`)
  expect(read('./index.ts')).toContain(example.trimEnd().replaceAll(/^/gm, ' * ').replaceAll(/ +$/gm, ''))
  await import('./readme.example.js')
})
