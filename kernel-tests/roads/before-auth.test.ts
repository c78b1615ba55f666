/** An attacker who holds the path and a PU's SYN that never arrived: nothing that he sends behind it reaches the application. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Caller } from '../harness/caller.js'
import { program } from '../harness/checkout.js'
import { Daemon } from '../harness/daemon.js'
import { FAMILIES, type Family } from '../harness/hosts.js'
import { JSONLinesProcess } from '../harness/json-lines-process.js'
import { OnPath } from '../harness/on-path.js'
import { FRONTEND, WEB, WEB_POLICY } from '../harness/pair.js'
import { asPU } from '../harness/processing-unit.js'
import { RawClient, type ReadSegment } from '../harness/raw-client.js'
import { makeRoutedHosts, type RoutedHosts } from '../harness/routed-hosts.js'
import { type StolenSyn, stealSyns } from '../harness/stolen-syns.js'
import { Teardown } from '../harness/teardown.js'

const PORT = 7000
/** Of a server beside the PUs: there the same segments arrive. */
const PLAIN_PORT = 7001
const WORD = 'intruder'
/** Header (8 bytes: magic, version, message ACK, suite PSK and binary, flags, length) of an ACK overlay; a MAC follows. */
const ACK_HEADER = Uint8Array.of(0x54, 0x52, 1, 3, 0x11, 0, 0, 40)

/** The numbers of a client whose SYN was answered. */
interface Opened {
  readonly sequence: number
  readonly acknowledgement: number
}

type Attack = (
  client: RawClient,
  syn: Pick<StolenSyn, 'isn'> & { readonly overlay?: Uint8Array },
) => Promise<void>

const ATTACKS: Readonly<Record<string, Attack>> = {
  'flaw 1: PSH+ACK with data': async (client, syn) => {
    await client.send({ ...(await open(client, syn)), flags: ['PSH', 'ACK'], payload: WORD })
  },
  'flaw 1: FIN+ACK with data': async (client, syn) => {
    await client.send({ ...(await open(client, syn)), flags: ['FIN', 'ACK'], payload: WORD })
  },
  'flaw 1: a bare ACK, then data': async (client, syn) => {
    const opened = await open(client, syn)
    await client.send({ ...opened, flags: ['ACK'] })
    await client.send({ ...opened, flags: ['PSH', 'ACK'], payload: WORD })
  },
  'flaw 1: an ACK with a bad sequence number, then data': async (client, syn) => {
    const opened = await open(client, syn)
    await client.send({ ...opened, sequence: (opened.sequence + 1_000_000) >>> 0, flags: ['ACK'] })
    await client.send({ ...opened, flags: ['PSH', 'ACK'], payload: WORD })
  },
  'flaw 1: SYN-ACK+PSH with data, then data': async (client, syn) => {
    const opened = await open(client, syn)
    await client.send({ ...opened, flags: ['SYN', 'ACK', 'PSH'], payload: WORD })
    await client.send({ ...opened, flags: ['PSH', 'ACK'], payload: WORD })
  },
  'flaw 2: a second SYN, a bare ACK out of the window, then data': async (client, syn) => {
    const opened = await open(client, syn)
    const isn = (syn.isn + 5_000_000) >>> 0
    await client.send({ flags: ['SYN'], sequence: isn, ...overlayOf(syn) })
    await client.send({ ...opened, sequence: (isn + 70_000_000) >>> 0, flags: ['ACK'] })
    for (const sequence of [opened.sequence, (isn + 1) >>> 0])
      await client.send({ ...opened, sequence, flags: ['PSH', 'ACK'], payload: WORD })
  },
  'flaw 2: a second SYN without overlay, a bare ACK, then data': async (client, syn) => {
    const opened = await open(client, syn)
    await client.send({ flags: ['SYN'], sequence: (syn.isn + 5_000_000) >>> 0 })
    await client.send({ ...opened, flags: ['ACK'] })
    await client.send({ ...opened, flags: ['PSH', 'ACK'], payload: WORD })
  },
  'data right behind the SYN, and again behind the SYN-ACK': async (client, syn) => {
    await client.send({ flags: ['SYN'], sequence: syn.isn, ...overlayOf(syn) })
    await client.send({ flags: ['PSH', 'ACK'], sequence: syn.isn + 1, acknowledgement: 1, payload: WORD })
    const { sequence } = await client.synAck(syn.isn)
    const opened = { sequence: (syn.isn + 1) >>> 0, acknowledgement: (sequence + 1) >>> 0 }
    await client.send({ ...opened, flags: ['PSH', 'ACK'], payload: WORD })
  },
  'an ACK overlay with a MAC of his own, then data': async (client, syn) => {
    const opened = await open(client, syn)
    await client.send({ ...opened, flags: ['ACK'], overlay: ackOverlay() })
    await client.send({ ...opened, flags: ['PSH', 'ACK'], payload: WORD })
  },
  'an ACK overlay and data in one segment': async (client, syn) => {
    const overlay = Buffer.concat([ackOverlay(), Buffer.from(WORD)])
    await client.send({ ...(await open(client, syn)), flags: ['PSH', 'ACK'], overlay })
  },
  "data under the overlay's option": async (client, syn) => {
    await client.send({ ...(await open(client, syn)), flags: ['PSH', 'ACK'], overlay: Buffer.from(WORD) })
  },
  'a reset, then data': async (client, syn) => {
    const opened = await open(client, syn)
    await client.send({ flags: ['RST'], sequence: (opened.sequence + 1_000_000) >>> 0 })
    await client.send({ ...opened, flags: ['PSH', 'ACK', 'URG'], payload: WORD })
  },
}
const NAMES = Object.keys(ATTACKS)

describe('nothing before AUTH', () => {
  const teardown = new Teardown()
  const syns = new Map<Family, StolenSyn[]>()
  let hosts: RoutedHosts
  let onPath: OnPath
  let web: JSONLinesProcess
  let plain: JSONLinesProcess
  let caller: Caller

  beforeAll(async () => {
    hosts = teardown.own(await makeRoutedHosts())
    const server = teardown.own(await Daemon.start(hosts.b, { policy: WEB_POLICY }))
    const client = teardown.own(await Daemon.start(hosts.a, { policy: WEB_POLICY }))
    onPath = teardown.own(await OnPath.start(hosts.router))
    web = teardown.own(new JSONLinesProcess(asPU(server, WEB, program('recorder', String(PORT))), server.env))
    const beside = hosts.b.namespace.inside(program('recorder', String(PLAIN_PORT)))
    plain = teardown.own(new JSONLinesProcess(beside))
    for (const recorder of [web, plain]) await recorder.next()
    for (const family of FAMILIES) {
      const to = { address: hosts.b.addresses[family], port: PORT }
      const count = 2 * NAMES.length
      syns.set(family, await stealSyns({ onPath, daemon: client, unit: FRONTEND, to, count }))
    }
    caller = teardown.own(await Caller.start(client, FRONTEND))
  })
  afterAll(() => teardown.run())

  const cases = FAMILIES.flatMap(family => NAMES.map(name => [name, family] as const))

  it.each(cases)('%s: in the name of the client, over %s', async (name, family) => {
    const syn = syns.get(family)!.pop()!
    await expectNothing(family, new RawClient(onPath, syn.tuple), client => ATTACKS[name]!(client, syn))
  })

  it.each(cases)('%s: from another host, over %s', async (name, family) => {
    const syn = syns.get(family)!.pop()!
    const client = new RawClient(onPath, { ...syn.tuple, source: hosts.c.addresses[family] })
    await expectNothing(family, client, () => ATTACKS[name]!(client, syn))
  })

  it.each(FAMILIES)('where nobody enforces, the same segments arrive, over %s', async family => {
    const tuple = { source: hosts.c.addresses[family], sourcePort: 4242 }
    const to = { destination: hosts.b.addresses[family], destinationPort: PLAIN_PORT }
    for (const [index, name] of NAMES.slice(0, 3).entries()) {
      const client = new RawClient(onPath, { ...tuple, ...to, sourcePort: 4242 + index })
      await ATTACKS[name]!(client, { isn: 1_000 })
      expect(await plain.next()).toEqual({ accepted: 4242 + index })
      expect(await plain.next()).toEqual({ received: WORD })
    }
  })

  const expectNothing = async (
    family: Family,
    client: RawClient,
    attack: (client: RawClient) => Promise<void>,
  ): Promise<void> => {
    await attack(client)
    const to = { address: hosts.b.addresses[family], port: PORT }
    // The attack lies on the same path before this call, so its effects would be heard of first.
    const outcome = await caller.call({ ...to, text: 'honest' })
    if ('error' in outcome) throw new Error(outcome.error)
    expect(await web.next()).toEqual({ accepted: outcome.port })
    expect(await web.next()).toEqual({ received: 'honest' })
    expect(client.answers().filter(answer => !isHandshake(answer))).toEqual([])
  }
})

/** Before AUTH a server lets SYN-ACKs with an overlay leave, and resets. */
function isHandshake({ isSynAck, hasOverlay, isRst }: ReadSegment): boolean {
  return isRst || (isSynAck && hasOverlay)
}

async function open(client: RawClient, syn: { isn: number; overlay?: Uint8Array }): Promise<Opened> {
  await client.send({ flags: ['SYN'], sequence: syn.isn, ...overlayOf(syn) })
  const { sequence } = await client.synAck(syn.isn)
  return { sequence: (syn.isn + 1) >>> 0, acknowledgement: (sequence + 1) >>> 0 }
}

function overlayOf({ overlay }: { readonly overlay?: Uint8Array }) {
  return overlay ? { overlay } : {}
}

function ackOverlay(): Uint8Array {
  return Buffer.concat([ACK_HEADER, randomBytes(32)])
}
