import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { TRIREME } from '../harness/checkout.js'
import { checkVector } from './check-vector.js'
import { ENCODINGS, type HandshakeVector } from './handshake-vector.js'
import { VECTOR_FOLDER } from './make-vectors.js'
import { MODES } from './trust-material.js'

const folder = join(dirname(TRIREME), VECTOR_FOLDER)
const files = readdirSync(folder).filter(file => file.endsWith('.json'))
const vectors = files.map(file => JSON.parse(readFileSync(join(folder, file), 'utf8')) as HandshakeVector)

it('there is one for each kind of secret and each encoding', () => {
  const names = vectors.map(({ inputs }) => inputs.name)
  for (const mode of MODES) {
    for (const encoding of Object.keys(ENCODINGS)) expect(names).toContain(`${mode}-${encoding}`)
  }
  expect(names).toContain('pki-binary-short-tags')
})

it.each(vectors.map(vector => [vector.inputs.name, vector] as const))('%s holds', (_, vector) =>
  checkVector(vector),
)

it('a vector in which a byte is wrong does not hold', async () => {
  const [vector] = vectors
  for (const name of Object.keys(vector!.outputs) as (keyof HandshakeVector['outputs'])[]) {
    const text = vector!.outputs[name]
    if (text === '') continue
    const wrong = (text.startsWith('0') ? '1' : '0') + text.slice(1)
    await expect(
      checkVector({ ...vector!, outputs: { ...vector!.outputs, [name]: wrong } }),
      name,
    ).rejects.toThrow()
  }
})
