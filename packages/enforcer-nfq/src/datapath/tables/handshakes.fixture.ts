import type { PeerRecord } from '@trireme/core'
import type { ClientFlow, OwnAnswer, ServerFlow } from '../flow.js'

/** A flow key of 36 characters that begins with an address: the same for the same two numbers. */
export function keyOf(address: number, number: number): string {
  const key = Buffer.alloc(36)
  key.writeUInt32BE(address, 12)
  key.writeUInt32BE(number, 20)
  return key.toString('latin1')
}

/** What the tables look at of a record. */
export function peerOf(issuer: string, record: string = issuer): PeerRecord {
  return { claims: { issuer }, hash: Buffer.from(record) } as unknown as PeerRecord
}

export function answerOf(isn: number): OwnAnswer {
  const bytes = (fill: number, length = 32) => new Uint8Array(length).fill(fill)
  return { isn, h2: bytes(2), mac: bytes(3), nonce: bytes(5, 16) } as OwnAnswer
}

export function serverFlow(differences: Partial<ServerFlow> = {}): ServerFlow {
  const flow = {
    pu: { contextID: 'pu' },
    key: keyOf(1, 1),
    id: 'id',
    isn: 1,
    h1: Buffer.alloc(32, 1),
    peer: peerOf('issuer'),
    isProven: false,
    lastSeenMs: 0,
    places: [],
  }
  return { ...flow, ...differences } as ServerFlow
}

export function clientFlow(differences: Partial<ClientFlow> = {}): ClientFlow {
  const flow = {
    pu: { contextID: 'pu' },
    key: keyOf(1, 1),
    id: 'id',
    isn: 1,
    h1: Buffer.alloc(32, 1),
    stage: 'syn-sent',
    sentUpTo: 7,
    lastSeenMs: 0,
  }
  return { ...flow, ...differences } as ClientFlow
}
