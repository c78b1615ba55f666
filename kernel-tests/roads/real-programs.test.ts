/** Unmodified programs as PUs on two hosts, across a router that drops whatever a strict conntrack calls INVALID. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Daemon } from '../harness/daemon.js'
import { eventually } from '../harness/eventually.js'
import { FAMILIES, type Family } from '../harness/hosts.js'
import { conntrackInvalid } from '../harness/kernel-counters.js'
import { runAsPU } from '../harness/processing-unit.js'
import { makeRoutedHosts, makeStrict, type RoutedHosts } from '../harness/routed-hosts.js'
import { ServerProgram } from '../harness/server-program.js'
import { Teardown } from '../harness/teardown.js'
import { uniqueName } from '../harness/unique-name.js'

const PORTS = { nginx: 8080, iperf3: 5201, redis: 6379, rsync: 8730, download: 9000, upload: 9001 }
const LARGE_BYTES = 100_000_000
const MEDIUM_BYTES = 10_000_000
const CLIENT = { labels: { app: 'client' } }
const POLICY = {
  default: 'deny',
  rules: [{ name: 'servers', to: { app: 'server' }, from: { app: 'client' }, action: 'allow' }],
}

describe('real programs', () => {
  const teardown = new Teardown()
  const servers = new Teardown()
  const large = randomBytes(LARGE_BYTES)
  const medium = large.subarray(0, MEDIUM_BYTES)
  let folder: string
  let hosts: RoutedHosts
  let client: Daemon
  let server: Daemon

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), `${uniqueName('programs')}-`))
    teardown.add(() => rm(folder, { recursive: true, force: true }))
    await mkdir(join(folder, 'files'))
    await writeFile(join(folder, 'files', 'large'), large)
    await mkdir(join(folder, 'files', 'some'))
    await writeFile(join(folder, 'files', 'some', 'medium'), medium)
    await writeFile(join(folder, 'files', 'small'), 'small')
    hosts = teardown.own(await makeRoutedHosts())
    await makeStrict(hosts)
    server = teardown.own(await Daemon.start(hosts.b, { policy: POLICY }))
    client = teardown.own(await Daemon.start(hosts.a, { policy: POLICY }))
  })
  afterEach(async () => {
    await servers.run()
    for (const namespace of [hosts.a.namespace, hosts.b.namespace, hosts.router])
      expect(await conntrackInvalid(namespace)).toBe(0)
  })
  afterAll(() => teardown.run())

  const serve = async (port: number, argv: readonly string[]) => {
    const unit = { labels: { app: 'server' }, ports: [port] }
    servers.own(await ServerProgram.start(server, unit, argv))
  }
  /** As a PU of the client's host; answers with what it printed. */
  const run = async (argv: readonly string[], timeoutMs = 60_000): Promise<string> => {
    const { code, stdout, stderr } = await runAsPU(client, CLIENT, argv, { timeoutMs })
    expect(code, `${argv.join(' ')}: ${stderr}${stdout}`).toBe(0)
    return stdout
  }
  const shell = (script: string) => run(['bash', '-o', 'pipefail', '-c', script])
  const address = (family: Family) => hosts.b.addresses[family]
  const inURL = (family: Family) => (family === 'IPv6' ? `[${address(family)}]` : address(family))

  it.each(FAMILIES)('nginx and curl: 100 MB by checksum, keep-alive, over %s', async family => {
    const config = join(folder, 'nginx.conf')
    await writeFile(config, nginxConfig(folder))
    await serve(PORTS.nginx, ['nginx', '-c', config, '-g', 'daemon off;'])
    const url = `http://${inURL(family)}:${PORTS.nginx}`
    expect(await shell(`curl -sSg --http1.1 ${url}/large | sha256sum`)).toContain(digestOf(large))
    const oneConnection = `${url}/small?[1-100]`
    const format = `%{num_connects}\\n`
    const connects = await run([
      'curl',
      '-sS',
      '--http1.1',
      '-o',
      '/dev/null',
      '-w',
      format,
      ...globbed(oneConnection),
    ])
    const counts = connects.trim().split('\n').map(Number)
    expect(counts).toEqual([1, ...new Array(99).fill(0)])
  })

  it.each(FAMILIES)('iperf3: 1 stream, 8 streams, and the reverse, over %s', async family => {
    await serve(PORTS.iperf3, ['iperf3', '-s', '-p', String(PORTS.iperf3)])
    for (const options of [[], ['-P', '8'], ['-R'], ['-P', '8', '-R']]) {
      const target = ['-c', address(family), '-p', String(PORTS.iperf3)]
      const report = JSON.parse(
        await run(['iperf3', ...target, '-J', '-n', '50M', ...options]),
      ) as IperfReport
      expect(report.error).toBeUndefined()
      expect(report.start.connected).toHaveLength(options.includes('8') ? 8 : 1)
      expect(report.end.sum_sent.bytes).toBeGreaterThanOrEqual(50_000_000)
      // What still lies in eight sockets' buffers when the sender is done counts as not received.
      expect(report.end.sum_received.bytes).toBeGreaterThan(25_000_000)
    }
  })

  it.each(FAMILIES)('redis-server and redis-benchmark, over %s', async family => {
    const port = String(PORTS.redis)
    const open = ['--protected-mode', 'no', '--bind', '*', '-::*', '--save', '', '--dir', folder]
    await serve(PORTS.redis, ['redis-server', '--port', port, ...open])
    const target = ['-h', address(family), '-p', port]
    const csv = await run(['redis-benchmark', ...target, '-n', '3000', '-c', '30', '-t', 'set,get', '--csv'])
    expect(csv).toMatch(/"SET","[\d.]+"/)
    expect(csv).toMatch(/"GET","[\d.]+"/)
    // A connection for each request.
    await run(['redis-benchmark', ...target, '-n', '300', '-c', '20', '-k', '0', '-t', 'ping_inline', '-q'])
    expect(await run(['redis-cli', ...target, 'info', 'stats'])).toMatch(/total_connections_received:\d{3}/)
  })

  it.each(FAMILIES)('rsync, whose server speaks first, both ways, over %s', async family => {
    const config = join(folder, 'rsyncd.conf')
    await writeFile(config, rsyncConfig(folder))
    await serve(PORTS.rsync, [
      'rsync',
      '--daemon',
      '--no-detach',
      `--config=${config}`,
      `--port=${PORTS.rsync}`,
    ])
    const greeting = ['ncat', '--recv-only', '-i', '500ms', address(family), String(PORTS.rsync)]
    expect((await runAsPU(client, CLIENT, greeting)).stdout).toMatch(/^@RSYNCD:/)
    const url = `rsync://${inURL(family)}:${PORTS.rsync}/files`
    const down = join(folder, `down-${family}`)
    await run(['rsync', '-a', `${url}/some/`, down])
    expect(digestOf(await readFile(join(down, 'medium')))).toBe(digestOf(medium))
    await run(['rsync', '-a', join(down, 'medium'), `${url}/up-${family}`])
    expect(digestOf(await readFile(join(folder, 'files', `up-${family}`)))).toBe(digestOf(medium))
  })

  it.each(FAMILIES)('ncat in one direction alone, either of them, over %s', async family => {
    const sent = join(folder, 'files', 'some', 'medium')
    const [down, up] = ['down', 'up'].map(way => join(folder, `ncat-${way}-${family}`))
    const { download, upload } = PORTS
    await serve(download, ['sh', '-c', `exec ncat -l ${download} --send-only < ${sent}`])
    await serve(upload, ['sh', '-c', `exec ncat -l ${upload} --recv-only > ${up}`])
    await shell(`ncat --recv-only ${address(family)} ${download} > ${down}`)
    await shell(`ncat --send-only ${address(family)} ${upload} < ${sent}`)
    for (const file of [down!, up!]) {
      await eventually('everything arrived', async () => (await stat(file)).size >= MEDIUM_BYTES)
      expect(digestOf(await readFile(file))).toBe(digestOf(medium))
    }
  })
})

interface IperfReport {
  readonly error?: string
  readonly start: { readonly connected: readonly unknown[] }
  readonly end: Readonly<Record<'sum_sent' | 'sum_received', { readonly bytes: number }>>
}

/** curl's arguments for a URL with a range: an IPv6 address in brackets would be taken for one. */
function globbed(url: string): readonly string[] {
  return [url.replace(/^http:\/\/\[([^\]]*)\]/, 'http://\\[$1\\]')]
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function nginxConfig(folder: string): string {
  const port = PORTS.nginx
  return `
    user root; worker_processes 1; error_log ${folder}/nginx.log; pid ${folder}/nginx.pid;
    events { }
    http {
      access_log off; client_body_temp_path ${folder}; keepalive_requests 1000;
      server { listen ${port}; listen [::]:${port}; location / { root ${folder}/files; } }
    }`
}

function rsyncConfig(folder: string): string {
  return `
    use chroot = false
    uid = root
    gid = root
    lock file = ${folder}/rsyncd.lock
    log file = ${folder}/rsyncd.log
    [files]
    path = ${folder}/files
    read only = false`
}
