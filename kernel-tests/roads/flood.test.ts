/**
 * A host that no enforcer protects sends SYNs under the overlay's option, from addresses as they come: noise, records whose
 * signature is wrong, and one PU's overlay again and again. Meanwhile the PU connects at a steady rate. Continuous integration sends
 * a tenth of what `npm run soak flood` does, and asks only that no connection fails.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tcpPacket } from '../../packages/enforcer-nfq/src/testing/index.js'
import { Daemon } from '../harness/daemon.js'
import { FAMILIES, type Family } from '../harness/hosts.js'
import { JSONLinesProcess } from '../harness/json-lines-process.js'
import { OnPath } from '../harness/on-path.js'
import { FRONTEND, WEB, WEB_POLICY } from '../harness/pair.js'
import { asPU, startServer } from '../harness/processing-unit.js'
import { makeRoutedHosts, type RoutedHosts } from '../harness/routed-hosts.js'
import { stealSyns } from '../harness/stolen-syns.js'
import { Teardown } from '../harness/teardown.js'
import { uniqueName } from '../harness/unique-name.js'
import { issueNodeKeys, pkiAuth } from '../identity/two-daemons.js'

const { TRIREME_SOAK } = process.env
const IS_SOAK = TRIREME_SOAK === '1'
const [SECONDS, BOGUS_PER_SECOND] = IS_SOAK ? [20, 20_000] : [5, 2_000]
const GOOD_PER_SECOND = 50
const MAX_P99_MS = 250
const MAX_SIGNATURES_PER_SECOND = 500
const MAX_GROWTH_MB = 20
const PORT = 7000
const KINDS = ['g', 'm', 'r']
const SOURCE = fileURLToPath(new URL('../harness/programs/syn-flood.c', import.meta.url))
const STEADY = fileURLToPath(new URL('../identity/steady-connects.mjs', import.meta.url))

interface Steady {
  readonly attempts: number
  readonly failures: Readonly<Record<string, number>>
  readonly p50Ms: number
  readonly p99Ms: number
  readonly slowestMs: number
}

describe('flood', () => {
  const teardown = new Teardown()
  let folder: string
  let hosts: RoutedHosts
  let client: Daemon
  let server: Daemon

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), `${uniqueName('flood')}-`))
    teardown.add(() => rm(folder, { recursive: true, force: true }))
    await promisify(execFile)('g++', ['-x', 'c', '-O2', '-o', join(folder, 'syn-flood'), SOURCE])
    hosts = teardown.own(await makeRoutedHosts())
    client = teardown.own(await Daemon.prepare(hosts.a, { policy: WEB_POLICY }))
    server = teardown.own(await Daemon.prepare(hosts.b, { policy: WEB_POLICY }))
    // Certificates: a signature costs a hundred times what a pre-shared key's MAC does.
    await issueNodeKeys({ client, server }, 'ca')
    for (const daemon of [client, server]) {
      await daemon.writeConfig({ auth: pkiAuth('ca') })
      await daemon.start()
    }
    teardown.own(await startServer(server, WEB))
  })
  afterAll(() => teardown.run())

  /** A line for each kind, of a PU's SYN that never arrived. */
  const templates = async (family: Family): Promise<string> => {
    const onPath = await OnPath.start(hosts.router)
    const to = { address: hosts.b.addresses[family], port: PORT }
    const [syn] = await stealSyns({ onPath, daemon: client, unit: FRONTEND, to, count: 1 })
    await onPath.stop()
    for (const iptables of ['iptables-nft', 'ip6tables-nft']) await hosts.router.mustRun([iptables, '-F'])
    const { tuple, isn: sequence, overlay: payload } = syn!
    const source = hosts.c.addresses[family]
    const packet = tcpPacket({ ...tuple, source, sequence, flags: ['SYN'], options: ['overlay'], payload })
    return KINDS.map(kind => `${kind} ${Buffer.from(packet).toString('hex')}\n`).join('')
  }

  const memory = async (): Promise<number> => {
    const status = await readFile(`/proc/${server.pid}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1_024
  }

  const signaturesChecked = async () => (await server.status()).counters['signatures checked'] ?? 0

  it.each(FAMILIES)('good connections go on, over %s', async family => {
    const input = await templates(family)
    const steady = [hosts.b.addresses[family], String(PORT), String(GOOD_PER_SECOND), '10000']
    const good = new JSONLinesProcess(
      asPU(client, FRONTEND, [process.execPath, STEADY, ...steady]),
      client.env,
    )
    try {
      await good.next()
      const checkedBefore = await signaturesChecked()
      const flood = [join(folder, 'syn-flood'), String(BOGUS_PER_SECOND), String(SECONDS)]
      const flooding = hosts.c.namespace.mustRun(flood, { input, timeoutMs: (SECONDS + 20) * 1_000 })
      await sleep((SECONDS * 1_000) / 4)
      const early = await memory()
      const sent = Number(await flooding)
      const grown = Math.round((await memory()) - early)
      const checked = Math.round(((await signaturesChecked()) - checkedBefore) / SECONDS)
      good.send('')
      const result = (await good.next(30_000)) as Steady
      const { attempts, p50Ms, p99Ms, slowestMs } = result
      const failed = Object.values(result.failures).reduce((total, times) => total + times, 0)
      console.log(
        `flood, ${family}: ${Math.round(sent / SECONDS)} bogus SYN/s for ${SECONDS} s, ${attempts} good, ${failed} failed, ` +
          `p50 ${p50Ms}, p99 ${p99Ms}, max ${slowestMs} ms, ${checked} signatures/s, memory grew by ${grown} MB`,
      )
      expect(failed).toBeLessThanOrEqual(attempts / 1_000)
      if (!IS_SOAK) return
      expect(p99Ms).toBeLessThanOrEqual(MAX_P99_MS)
      expect(grown).toBeLessThanOrEqual(MAX_GROWTH_MB)
      expect(checked).toBeLessThanOrEqual(MAX_SIGNATURES_PER_SECOND)
    } finally {
      await good.stop()
    }
  })
})
