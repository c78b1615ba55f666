import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  clientMAC,
  deriveHandshakeKeys,
  ephemeralKeyFrom,
  serverMAC,
  sha256,
  transcriptHash,
} from './key-schedule.js'
import { parseAck, parseSyn, parseSynAck } from './overlay.js'

const FOLDER = new URL('../../vectors/', import.meta.url)

interface Vector {
  readonly inputs: {
    readonly name: string
    readonly client: { readonly ephemeralPrivateKey: string }
    readonly server: { readonly ephemeralPrivateKey: string }
  }
  readonly outputs: Readonly<Record<string, string>>
}

const vectors = readdirSync(FOLDER)
  .filter(file => file.endsWith('.json'))
  .map(file => JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')) as Vector)

/** What follows from the three overlays and either private key, whatever the records say. */
describe.each(vectors.map(vector => [vector.inputs.name, vector] as const))(
  'vector %s',
  (_, { inputs, outputs }) => {
    const bytes = (name: string) => Buffer.from(outputs[name]!, 'hex')
    const own = { modeCode: bytes('suite')[0]! >> 4, encodingCode: bytes('suite')[0]! & 0x0f }
    const parsed = <T>(overlay: T | string) => {
      if (typeof overlay === 'string') throw new Error(overlay)
      return overlay
    }
    const { sessionSecret } = outputs
    const syn = parsed(parseSyn(own, bytes('syn')))
    const synAck = parsed(parseSynAck(own, bytes('synAck')))
    const ack = parsed(parseAck(own, bytes('ack')))
    const [client, server] = [inputs.client, inputs.server].map(end =>
      ephemeralKeyFrom(Buffer.from(end.ephemeralPrivateKey, 'hex')),
    )

    it('carries its records and hashes', () => {
      expect(Buffer.from(syn.record)).toEqual(bytes('clientRecord'))
      expect(Buffer.from(synAck.record)).toEqual(bytes('serverRecord'))
      expect(sha256(bytes('syn'))).toEqual(bytes('h1'))
      expect(transcriptHash(bytes('h1'), synAck.signed)).toEqual(bytes('h2'))
      expect(bytes('h1').subarray(0, 16)).toEqual(bytes('flowID'))
    })

    it.each([
      ['client', client!.privateKey, server!.publicKey],
      ['server', server!.privateKey, client!.publicKey],
    ] as const)('gives the %s the keys and MACs', (_role, ownPrivateKey, peerPublicKey) => {
      const keys = deriveHandshakeKeys({
        suite: own,
        ownPrivateKey,
        peerPublicKey,
        sessionSecret: sessionSecret === '' ? undefined : bytes('sessionSecret'),
        clientRecordHash: sha256(syn.record),
        serverRecordHash: sha256(synAck.record),
      })!
      expect(keys.server.export()).toEqual(bytes('keyServer'))
      expect(keys.client.export()).toEqual(bytes('keyClient'))
      expect(serverMAC(keys, bytes('h2'))).toEqual(Buffer.from(synAck.mac))
      expect(clientMAC(keys, bytes('h2'), synAck.mac, ack.header)).toEqual(Buffer.from(ack.mac))
    })
  },
)
