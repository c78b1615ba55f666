import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkVector } from './check-vector.js'
import {
  ENCODINGS,
  type HandshakeVector,
  issueRecords,
  outputsOf,
  type VectorInputs,
  vectorInputs,
} from './handshake-vector.js'
import { MODES, newTrustMaterial, type TrustMaterial } from './trust-material.js'

/** Where the vectors lie in the checkout. */
export const VECTOR_FOLDER = join('packages', 'core', 'vectors')

/**
 * Writes one file for each kind of secret and each encoding, and one whose tags are shortened. A vector that still holds stays
 * as it is: ECDSA signs with a random number, so every new one has other bytes.
 */
export async function main(root: string): Promise<void> {
  mkdirSync(join(root, VECTOR_FOLDER), { recursive: true })
  for (const mode of MODES) {
    for (const encoding of Object.keys(ENCODINGS)) await make(root, { mode, encoding, isLong: false })
  }
  await make(root, { mode: 'pki', encoding: 'binary', isLong: true })
}

interface Wanted {
  readonly mode: TrustMaterial['mode']
  readonly encoding: string
  readonly isLong: boolean
}

async function make(root: string, { mode, encoding, isLong }: Wanted): Promise<void> {
  const { now } = vectorInputs(encoding, { mode }, isLong)
  const inputs = vectorInputs(encoding, await newTrustMaterial(mode, now * 1000), isLong)
  const file = join(root, VECTOR_FOLDER, `${inputs.name}.json`)
  const fault = await faultOf(file, inputs)
  if (fault === undefined) return console.log(`${inputs.name}: holds`)
  const vector = { inputs, outputs: await outputsOf(inputs, await issueRecords(inputs)) }
  await checkVector(vector)
  writeFileSync(file, `${JSON.stringify(vector, undefined, 2)}\n`)
  console.log(`${inputs.name}: written (${fault})`)
}

/** Why the file is to be written anew; undefined where it holds. */
async function faultOf(file: string, inputs: VectorInputs): Promise<string | undefined> {
  if (!existsSync(file)) return 'new'
  try {
    const vector = JSON.parse(readFileSync(file, 'utf8')) as HandshakeVector
    const wanted = { ...inputs, trust: vector.inputs.trust }
    if (JSON.stringify(vector.inputs) !== JSON.stringify(wanted)) return 'other inputs'
    await checkVector(vector)
    return undefined
  } catch (error) {
    return String(error)
  }
}
