import { readFileSync } from 'node:fs'
import { pskSecrets } from '@trireme/core'
import { expect, it } from 'vitest'
import { jwtTokens } from './index.js'

it('runs the example of the README and of the index', async () => {
  const console = {
    log: (...values: unknown[]) =>
      expect(values).toMatchObject([expect.stringMatching(/^eyJ/), { issuer: 'host-a' }]),
  }

  const secrets = pskSecrets({ key: Buffer.from('at least sixteen bytes, the same on every host') })
  const tokens = jwtTokens()({ secrets })

  const now = Math.floor(Date.now() / 1000)
  const record = await tokens.issue({
    issuer: 'host-a',
    puID: 'web-1',
    tags: [{ key: 'app', value: 'web' }],
    ephemeralKey: crypto.getRandomValues(new Uint8Array(32)),
    notBefore: now,
    notAfter: now + 180,
  })
  console.log(Buffer.from(record).toString(), await tokens.verify(record))

  const source = linesOf(readFileSync(new URL(import.meta.url), 'utf8'))
  const examples = ['../README.md', './index.ts'].map(path =>
    exampleIn(readFileSync(new URL(path, import.meta.url), 'utf8')),
  )
  expect(examples[0]).toEqual(examples[1])
  expect(source.join('\n')).toContain(examples[0]!.filter(line => !line.startsWith('import')).join('\n'))
})

function exampleIn(text: string): string[] {
  return linesOf(/```ts\n(.*?)```/s.exec(text)![1]!)
}

/** Without indentation, comment stars and empty lines. */
function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map(line => line.replace(/^[\s*]+/, ''))
    .filter(line => line !== '')
}
