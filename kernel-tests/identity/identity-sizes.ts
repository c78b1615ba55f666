import { writeFileSync } from 'node:fs'
import { arch, cpus, release, type } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import {
  ACK_OVERLAY_BYTES,
  type AuthMode,
  generateEphemeralKey,
  Handshake,
  MAX_OVERLAY_BYTES,
  MAX_RECORD_BYTES,
  pemBlocks,
  type RecordClaims,
  type Tags,
  type TokenEngine,
} from '@trireme/core'
import { ENCODINGS } from './handshake-vector.js'
import { MODES, newTrustMaterial, SERVER_IDS, secretsOf, type TrustMaterial } from './trust-material.js'

const TAG_COUNTS = [4, 16, 64]
/** As many as fit in every row. */
const TIMED_TAGS = 4
const RUNS = 400
const WARM_UP = 100
/** Bytes that 32 shortened tags leave in a record. */
const BESIDE_32_TAGS = 364
/** Of the certificate's two names, `trireme` and `host-a`. */
const NAME_BYTES = 13
const SYN_BESIDE_RECORD = 42
const SYN_ACK_BESIDE_RECORD = 56
const NAMES: Readonly<Record<AuthMode, string>> = {
  psk: 'PSK',
  pki: 'PKI, certificate on the wire',
  'pki-prepopulated': 'PKI, known beforehand',
  'compact-pki': 'compact PKI',
  null: 'null',
}

/** Measures sizes and times on this machine and writes `docs/identity-sizes.md`. */
export async function main(root: string): Promise<void> {
  const nowMs = Math.floor(Date.now() / 1000) * 1000
  const sizes: string[] = []
  const times: string[] = []
  let certificateBytes = 0
  for (const mode of MODES) {
    const trust = await newTrustMaterial(mode, nowMs)
    if (mode === 'pki') certificateBytes = pemBlocks(trust.client!.certPEM!)[0]!.der.length
    for (const encoding of Object.keys(ENCODINGS)) {
      const name = `| ${NAMES[mode]} | ${encoding} |`
      sizes.push(`${name} ${(await sizesOf({ trust, encoding, nowMs })).join(' | ')} |`)
      times.push(`${name} ${(await timesOf({ trust, encoding, nowMs })).join(' | ')} |`)
    }
  }
  const page = pageOf(sizes, times, certificateBytes)
  writeFileSync(join(root, 'docs', 'identity-sizes.md'), page)
  process.stdout.write(page)
}

interface Setting {
  readonly trust: TrustMaterial
  readonly encoding: string
  readonly nowMs: number
}

function engineFor({ trust, encoding, nowMs }: Setting, role: 'client' | 'server') {
  const secrets = secretsOf(trust, role, () => nowMs)
  const engine = ENCODINGS[encoding]!({ secrets })
  return { engine, secrets }
}

function claimsWith(tagCount: number, nowMs: number): RecordClaims {
  const tags: Tags = Array.from({ length: tagCount }, (_, i) => ({ key: `label-${i}`, value: `value-${i}` }))
  const notBefore = nowMs / 1000
  const times = { notBefore, notAfter: notBefore + 180 }
  const ephemeralKey = generateEphemeralKey().publicKey
  return { issuer: SERVER_IDS.client, puID: '0123456789ab', tags, ephemeralKey, ...times }
}

/** SYN and SYN-ACK for each number of tags, `s` where the tags are shortened, and the record's size where it does not fit. */
async function sizesOf(setting: Setting): Promise<readonly string[]> {
  const issuing = engineFor(setting, 'client').engine
  const verifying = engineFor(setting, 'server').engine
  const cells: string[] = []
  for (const count of TAG_COUNTS) {
    const record = await issuing.issue(claimsWith(count, setting.nowMs))
    if (record.length > MAX_RECORD_BYTES) {
      cells.push(`– (record: ${record.length})`)
      continue
    }
    const answer = await verifying.verify(record)
    if (typeof answer === 'string') throw new Error(`${setting.trust.mode} ${setting.encoding}: ${answer}`)
    const form = answer.shortTags ? ' s' : ''
    cells.push(`${record.length + SYN_BESIDE_RECORD} / ${record.length + SYN_ACK_BESIDE_RECORD}${form}`)
  }
  return cells
}

/** Median microseconds of issue, of a cold verify with and without knowledge of the signer, and of a warm one. */
async function timesOf(setting: Setting): Promise<readonly string[]> {
  const { engine } = engineFor(setting, 'client')
  const claims = claimsWith(TIMED_TAGS, setting.nowMs)
  const server = engineFor(setting, 'server')
  const records = await issueMany(engine, setting.nowMs)
  const next = (i: number) => records[i % records.length]!
  const issue = await medianOf(i => engine.issue({ ...claims, puID: `pu-${i}` }))
  const cold = await medianOf(i => server.engine.verify(next(i)))
  const strangers = Array.from({ length: 60 }, () => engineFor(setting, 'server').engine)
  const first = await medianOf(i => strangers[i]!.verify(next(i)), strangers.length, 0)
  const cache = new Handshake({
    serverID: SERVER_IDS.server,
    ...server,
    now: () => setting.nowMs,
    onError: (_contextID, error) => {
      throw error
    },
  }).verifier
  await cache.verify(next(0))
  const warm = await medianOf(() => cache.verify(next(0)))
  return [issue, first, cold, warm]
}

async function issueMany(engine: TokenEngine, nowMs: number): Promise<readonly Uint8Array[]> {
  const records: Uint8Array[] = []
  for (let i = 0; i < 100; i++) records.push(await engine.issue(claimsWith(TIMED_TAGS, nowMs)))
  return records
}

async function medianOf(run: (i: number) => unknown, runs = RUNS, warmUp = WARM_UP): Promise<string> {
  const micros: number[] = []
  for (let i = 0; i < runs + warmUp; i++) {
    const began = process.hrtime.bigint()
    const answer = run(i)
    // An await costs microseconds itself: it is for engines that answer with a promise alone.
    if (answer instanceof Promise) await answer
    if (i >= warmUp) micros.push(Number(process.hrtime.bigint() - began) / 1000)
  }
  micros.sort((a, b) => a - b)
  const median = micros[Math.floor(micros.length / 2)]!
  return median < 10 ? median.toFixed(1) : median.toFixed(0)
}

function pageOf(sizes: readonly string[], times: readonly string[], certificateBytes: number): string {
  const counts = TAG_COUNTS.map(count => `${count} tags`).join(' | ')
  return `# What an identity costs

Written by \`node scripts/identity-sizes.mjs\` on ${cpus()[0]!.model.trim()} (${cpus().length} cores, ${arch()}), ${type()} ${release()},
Node ${process.version}.

## Bytes

SYN / SYN-ACK overlay, in bytes; the ACK's has ${ACK_OVERLAY_BYTES}, always. At most ${MAX_OVERLAY_BYTES} fit a packet, so a record has at most
${MAX_RECORD_BYTES}. Server ID \`host-a\`, PU ID of 12 characters, tags like \`label-7=value-7\`; the certificate of ${certificateBytes} bytes has
nothing that a record could do without. *s*: tags travel shortened. *–*: does not fit, and is refused when the policy is set.

| secret | encoding | ${counts} |
| --- | --- | ${TAG_COUNTS.map(() => '---').join(' | ')} |
${sizes.join('\n')}

Shortened tags take 20 bytes each, 10 where keys are shared. So 32 of them, of any length, fit beside a certificate, a server
ID and a PU ID of ${BESIDE_32_TAGS} bytes together. With certificates as \`trireme keys node\` issues them that is the CA's name, twice the server ID
and the PU ID in ${BESIDE_32_TAGS - (certificateBytes - NAME_BYTES)} bytes.

## Time

Median of ${RUNS} runs in microseconds, with ${TIMED_TAGS} tags. *First* is the first record of a node, whose certificate or statement is checked
against the CA, too, and whose code is cold; *cold* any later record that is new; *warm* a record that was verified before, as it is for every connection but the
first with that record.

| secret | encoding | issue | first | cold | warm |
| --- | --- | --- | --- | --- | --- |
${times.join('\n')}
`
}
