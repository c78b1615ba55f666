import { pskSecrets, type Secrets } from '@trireme/core'
import { expect, it } from 'vitest'
import { hmacTokenEngine } from './simulation/hmac-token-engine.js'
import { CLIENT, kindOf, parsed, readdressed, SERVER, twoHosts } from './simulation/scenarios.js'

const ANSWERS = 500

it('a server that answers with one unknown record after another has so many verified, and the true one gets through', async () => {
  const suites = [suite()]
  const { network, client } = await twoHosts({ clientHost: { suites }, serverHost: { suites } })
  let answer: Uint8Array | undefined
  network.tamper = bytes => {
    if (kindOf(bytes) !== 'syn-ack') return [{ bytes, delayMs: 1 }]
    answer ??= bytes
    return []
  }
  const socket = client.tcp.connect(CLIENT, SERVER)
  network.run(10)
  for (let number = 0; number < ANSWERS; number++) network.inject(withOtherRecord(answer!, number))
  expect(client.handshake.verifier.coldVerifications).toBe(25)
  expect(client.counters('frontend')).toMatchObject({ 'drop.token': 25, 'drop.overload': ANSWERS - 25 })
  network.run(1000)
  network.tamper = bytes => [{ bytes, delayMs: 1 }]
  network.inject(answer!)
  network.run(100)
  expect(socket.state).toBe('established')
})

/** Secrets that say of themselves that they cost signatures. */
function suite() {
  const psk = pskSecrets({ key: new Uint8Array(32).fill(7) })
  const secrets: Secrets = {
    mode: 'pki',
    signer: use => psk.signer(use),
    verifier: use => psk.verifier(use),
    sessionSecret: () => undefined,
    onChange: listener => psk.onChange(listener),
  }
  return { secrets, tokenEngine: hmacTokenEngine(secrets) }
}

/** The answer with other bytes in the first 4 of its record, which lies behind 8 of the header and 16 of the nonce. */
function withOtherRecord(answer: Uint8Array, number: number): Uint8Array {
  const packet = parsed(answer)
  const record = packet.payload().subarray(24)
  new DataView(record.buffer, record.byteOffset).setUint32(0, number)
  return readdressed(packet.data, {})
}
