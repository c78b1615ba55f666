import assert from 'node:assert/strict'
import { canonicalTags, type DropReason, shortenTags, type VerifiedRecord } from '@trireme/core'
import { claimsOf, engineOf, type HandshakeVector, issueRecords, outputsOf } from './handshake-vector.js'
import type { Role } from './trust-material.js'

/**
 * Rejects unless each side's engine accepts the other's record for what the inputs claim, the outputs follow from the inputs and the
 * records, and the records are those that are issued today, where signing leaves no choice.
 */
export async function checkVector({ inputs, outputs }: HandshakeVector): Promise<void> {
  const records = {
    client: Uint8Array.from(Buffer.from(outputs.clientRecord, 'hex')),
    server: Uint8Array.from(Buffer.from(outputs.serverRecord, 'hex')),
  }
  assert.deepEqual(await outputsOf(inputs, records), outputs, inputs.name)
  for (const role of ['client', 'server'] as const) {
    const { engine } = engineOf(inputs, role === 'client' ? 'server' : 'client')
    assertRecord(await engine.verify(records[role]), { inputs, outputs }, role)
    if (inputs.mode !== 'psk' && inputs.mode !== 'null') continue
    assert.deepEqual(
      Buffer.from((await issueRecords(inputs))[role]),
      Buffer.from(records[role]),
      'issued today',
    )
  }
}

function assertRecord(record: VerifiedRecord | DropReason, vector: HandshakeVector, role: Role): void {
  const name = `${vector.inputs.name}, record of the ${role}`
  assert.ok(typeof record !== 'string', `${name}: refused (${String(record)})`)
  const { tags, ephemeralKey, ...claims } = claimsOf(vector.inputs[role])
  const { issuer, puID, notBefore, notAfter } = record
  assert.deepEqual({ issuer, puID, notBefore, notAfter }, claims, name)
  assert.deepEqual([...record.ephemeralKey], [...ephemeralKey], name)
  assert.deepEqual(record.tags, record.shortTags ? [] : canonicalTags(tags), name)
  if (record.shortTags) assert.deepEqual(record.shortTags, shortenTags(tags), name)
}
