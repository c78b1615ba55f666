/**
 * Somebody on the path captured one SYN of a PU, and sends its record under fresh nonces from addresses as they come: each passes for the
 * beginning of a handshake of that very PU. Meanwhile the PU connects at a steady rate, and no connection of its fails.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tcpPacket } from '../../packages/enforcer-nfq/src/testing/index.js'
import { JSONLinesProcess } from '../harness/json-lines-process.js'
import { OnPath } from '../harness/on-path.js'
import { FRONTEND, type Pair, startPair } from '../harness/pair.js'
import { asPU } from '../harness/processing-unit.js'
import { makeRoutedHosts, type RoutedHosts } from '../harness/routed-hosts.js'
import { stealSyns } from '../harness/stolen-syns.js'
import { Teardown } from '../harness/teardown.js'
import { uniqueName } from '../harness/unique-name.js'

const SECONDS = 5
const GOOD_PER_SECOND = 50
const PORT = 7000
const SOURCE = fileURLToPath(new URL('../harness/programs/syn-flood.c', import.meta.url))
const STEADY = fileURLToPath(new URL('../identity/steady-connects.mjs', import.meta.url))

interface Steady {
  readonly attempts: number
  readonly failures: Readonly<Record<string, number>>
  readonly p50Ms: number
  readonly p99Ms: number
}

describe('SYNs made from a captured record', () => {
  const teardown = new Teardown()
  let folder: string
  let hosts: RoutedHosts
  let pair: Pair

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), `${uniqueName('captured')}-`))
    teardown.add(() => rm(folder, { recursive: true, force: true }))
    await promisify(execFile)('g++', ['-x', 'c', '-O2', '-o', join(folder, 'syn-flood'), SOURCE])
    hosts = teardown.own(await makeRoutedHosts())
    pair = await startPair(teardown, { hosts })
  })
  afterAll(() => teardown.run())

  const capture = async (): Promise<string> => {
    const onPath = await OnPath.start(hosts.router)
    const to = { address: hosts.b.addresses.IPv4, port: PORT }
    const [syn] = await stealSyns({ onPath, daemon: pair.client, unit: FRONTEND, to, count: 1 })
    await onPath.stop()
    for (const iptables of ['iptables-nft', 'ip6tables-nft']) await hosts.router.mustRun([iptables, '-F'])
    const { tuple, isn: sequence, overlay: payload } = syn!
    const source = hosts.c.addresses.IPv4
    const packet = tcpPacket({ ...tuple, source, sequence, flags: ['SYN'], options: ['overlay'], payload })
    return `n ${Buffer.from(packet).toString('hex')}\n`
  }

  it.each([2_000, 6_000])(
    'displace no connection of the PU that was robbed: %d a second',
    async perSecond => {
      const input = await capture()
      const steady = [hosts.b.addresses.IPv4, String(PORT), String(GOOD_PER_SECOND), '10000']
      const argv = asPU(pair.client, FRONTEND, [process.execPath, STEADY, ...steady])
      const good = new JSONLinesProcess(argv, pair.client.env)
      try {
        await good.next()
        const flood = [join(folder, 'syn-flood'), String(perSecond), String(SECONDS)]
        const timeoutMs = (SECONDS + 20) * 1_000
        const sent = Number(await hosts.c.namespace.mustRun(flood, { input, timeoutMs }))
        const atServer = await pair.server.flows()
        good.send('')
        const { attempts, failures, p50Ms, p99Ms } = (await good.next(30_000)) as Steady
        console.log(
          `captured record: ${Math.round(sent / SECONDS)} SYN/s, ${attempts} good, p50 ${p50Ms}, p99 ${p99Ms} ms`,
        )
        expect(sent).toBeGreaterThan((perSecond * SECONDS) / 4)
        expect(failures).toEqual({})
        expect(attempts).toBeGreaterThan(20)
        expect(atServer.some(({ reason }) => reason === 'overload')).toBe(true)
      } finally {
        await good.stop()
      }
    },
  )
})
