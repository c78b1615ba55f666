import { generateKeyPairSync } from 'node:crypto'
import {
  encodeAck,
  encodeSyn,
  encodeSynAck,
  generateEphemeralKey,
  parseAck,
  parseSyn,
  parseSynAck,
  pskSecrets,
  type RecordClaims,
  type Secrets,
  suite,
  type TokenEngine,
} from '@trireme/core'
import { binaryTokens } from '@trireme/tokens-binary'
import { jwtTokens } from '@trireme/tokens-jwt'
import type { Target } from './target.js'

const SUITE = suite('psk', 1)
const RECORD = new Uint8Array(180).fill(7)
const NONCE = new Uint8Array(16).fill(1)
const CLAIMS: RecordClaims = {
  issuer: 'host-a',
  puID: 'web-1',
  tags: [
    { key: 'app', value: 'web' },
    { key: 'env', value: 'prod' },
  ],
  ephemeralKey: generateEphemeralKey().publicKey,
  notBefore: 1_700_000_000,
  notAfter: 1_700_000_180,
}

/** The three overlays, each read as each of the three. */
export const OVERLAY_TARGET: Target = {
  name: 'overlays',
  seeds: [
    encodeSyn(SUITE, { nonce: NONCE, dialledAddress: NONCE, dialledPort: 80, record: RECORD }),
    encodeSynAck(SUITE, NONCE, RECORD),
    encodeAck(encodeSynAck(SUITE, NONCE, RECORD).slice(0, 8), new Uint8Array(32)),
  ],
  run(bytes) {
    for (const parse of [parseSyn, parseSynAck, parseAck]) {
      const parsed = parse(SUITE, bytes)
      if (typeof parsed === 'string') continue
      const parts = Object.values(parsed).filter(part => part instanceof Uint8Array)
      if (parts.some(part => part.byteOffset + part.length > bytes.byteOffset + bytes.length))
        throw new Error('a part reaches past the overlay')
    }
  },
}

/** Records of both engines, signed in both ways. A record whose bytes changed is refused, with a reason. */
export async function recordTargets(): Promise<readonly Target[]> {
  const engines = [binaryTokens(), jwtTokens()]
  const secrets = [pskSecrets({ key: Buffer.from('a secret for the fuzzer') }), certified()]
  const pairs = engines.flatMap(engine =>
    secrets.map(each => ({ engine: engine({ secrets: each }), secrets: each })),
  )
  return Promise.all(pairs.map(pair => recordTarget(pair)))
}

async function recordTarget({ engine, secrets }: { engine: TokenEngine; secrets: Secrets }): Promise<Target> {
  const genuine = new Uint8Array(await engine.issue(CLAIMS))
  return {
    name: `${engine.encoding} records, ${secrets.mode}`,
    seeds: [genuine],
    async run(bytes) {
      const verified = await engine.verify(bytes)
      const isGenuine = Buffer.compare(bytes, genuine) === 0
      if ((typeof verified === 'string') === isGenuine)
        throw new Error(`verified as ${JSON.stringify(verified)}`)
    },
  }
}

/** Secrets of one fixed key, as a PKI's would be. */
function certified(): Secrets {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const keyID = '0123456789abcdef'
  const credential = Buffer.from('certificate')
  return {
    mode: 'pki',
    signer: () => ({ algorithm: 'ES256', keyID, key: privateKey, credential }),
    verifier: () => ({ algorithm: 'ES256', key: publicKey, notAfter: 2_000_000_000 }),
    sessionSecret: () => undefined,
    onChange: () => () => {},
  }
}
