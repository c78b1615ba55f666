import assert from 'node:assert/strict'
import {
  ackHeader,
  clientMAC,
  encodeAck,
  encodeSyn,
  encodeSynAck,
  Handshake,
  type HandshakeKeys,
  macEquals,
  type OwnRecord,
  type PeerRecord,
  parseAck,
  parseSyn,
  parseSynAck,
  type Secrets,
  serverMAC,
  sha256,
  signedPart,
  type Tags,
  type TokenEngine,
  transcriptHash,
} from '@trireme/core'

const PU = 'pu'
const NOW_MS = 1_900_000_000_000

/** One node with one PU. */
export async function newNode(serverID: string, engine: TokenEngine, secrets: Secrets, tags: Tags = []) {
  const onError = (_contextID: string, error: unknown) => assert.fail(String(error))
  const handshake = new Handshake({ serverID, engine, secrets, now: () => NOW_MS, onError })
  await handshake.issuer.add(PU, { puID: `pu of ${serverID}`, tags })
  return handshake
}

/** What each side believes of the other after a whole handshake. */
export interface Connection {
  readonly client: PeerRecord
  readonly server: PeerRecord
}

/** The three overlays between two nodes' PUs, each parsed and checked by the other side. Fails where they do not agree. */
export async function connect(client: Handshake, server: Handshake): Promise<Connection> {
  const ownAsClient = ownRecord(client)
  const dialledAddress = new Uint8Array(16).fill(1)
  const nonce = client.nonce()
  const syn = encodeSyn(client.suite, { nonce, dialledAddress, dialledPort: 8080, record: ownAsClient.bytes })
  const h1 = sha256(syn)

  const parsedSyn = parsed(parseSyn(server.suite, syn), 'SYN')
  const clientPeer = await peerRecord(server, parsedSyn.record, 'the server of the client')
  const own = ownRecord(server)
  const serverKeys = agreed(server.keysAsServer(own, clientPeer), 'server')
  const synAck = encodeSynAck(server.suite, server.nonce(), own.bytes)
  const serverH2 = transcriptHash(h1, signedPart(synAck))
  const macOfServer = serverMAC(serverKeys, serverH2)
  synAck.set(macOfServer, synAck.length - macOfServer.length)

  const parsedSynAck = parsed(parseSynAck(client.suite, synAck), 'SYN-ACK')
  const serverPeer = await peerRecord(client, parsedSynAck.record, 'the client of the server')
  const clientKeys = agreed(client.keysAsClient(ownAsClient, serverPeer), 'client')
  const h2 = transcriptHash(h1, parsedSynAck.signed)
  assert.ok(macEquals(serverMAC(clientKeys, h2), parsedSynAck.mac), 'MAC_s does not agree')
  const header = ackHeader(client.suite)
  const ack = encodeAck(header, clientMAC(clientKeys, h2, parsedSynAck.mac, header))

  const parsedAck = parsed(parseAck(server.suite, ack), 'ACK')
  const expected = clientMAC(serverKeys, serverH2, macOfServer, parsedAck.header)
  assert.ok(macEquals(expected, parsedAck.mac), 'MAC_c does not agree')
  return { client: clientPeer, server: serverPeer }
}

function ownRecord(node: Handshake): OwnRecord {
  return node.issuer.current(PU) ?? assert.fail('the node has no record that is good now')
}

function parsed<Overlay extends object>(overlay: Overlay | string, what: string): Overlay {
  return typeof overlay === 'string' ? assert.fail(`${what}: refused (${overlay})`) : overlay
}

async function peerRecord(node: Handshake, record: Uint8Array, what: string): Promise<PeerRecord> {
  const peer = await node.verifier.verify(record)
  return typeof peer === 'string' ? assert.fail(`${what}: record refused (${peer})`) : peer
}

function agreed(keys: HandshakeKeys | undefined, side: string): HandshakeKeys {
  return keys ?? assert.fail(`${side}: no keys with that peer`)
}
