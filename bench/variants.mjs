import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const TRIREME = join(root, 'trireme')
const MAIN = join(root, 'packages/cli/dist/main.js')
const PORT = 20_000
const PORTS = 64
const HOSTS = [1, 2]
const nameOf = host => `bench-${process.pid}-${host}`

/** What is measured. `bare`: no rules. `floor`: a C program accepts at the same hops. `floorp`: the same, and carries each packet back. */
export const VARIANTS = {
  bare: () => startBare,
  floor: () => startFloor([]),
  floorp: () => startFloor(['-p']),
  psk: () => startProduct({ auth: 'psk', tokens: 'binary' }),
  pki: () => startProduct({ auth: 'pki', tokens: 'binary' }),
  jwt: () => startProduct({ auth: 'psk', tokens: 'jwt' }),
}

/** Starts a variant and its server. The client's load generator is run by `load`, which returns what it measured. */
export async function startVariant(name, context) {
  return VARIANTS[name]()(context)
}

async function startBare(context) {
  const server = await startServer(context, command => command)
  return { pids: [], load: loadOf(context, command => command), stop: () => end(server) }
}

function startFloor(args) {
  return async context => {
    const { network, programs } = context
    const daemons = HOSTS.map(host => network.spawn(host, [programs.floor, '-q', '0', '-n', '2', ...args]))
    await Promise.all(daemons.map(daemon => said(daemon.stdout, /^READY/m)))
    for (const host of HOSTS) await network.run(host, ['sh', '-ec', floorRules()])
    const bare = await startBare(context)
    return {
      ...bare,
      pids: daemons.map(({ pid }) => pid),
      async stop() {
        await bare.stop()
        await Promise.all(daemons.map(end))
        for (const host of HOSTS) await network.run(host, ['sh', '-ec', FLUSH])
      },
    }
  }
}

/** SYN, SYN-ACK and the first ACK are queued at both ends; the mark of the verdict releases the rest. */
function floorRules() {
  const queued = ['SYN', 'SYN,ACK', 'ACK'].flatMap(flags =>
    ['OUTPUT', 'INPUT'].map(
      (chain, queue) =>
        `-A ${chain} -p tcp -m tcp --tcp-flags SYN,ACK ${flags} -j NFQUEUE --queue-num ${queue}`,
    ),
  )
  const released = ['OUTPUT', 'INPUT'].map(chain => `-A ${chain} -m connmark --mark 0xeeee -j ACCEPT`)
  const save = '-m mark --mark 0xeeee -j CONNMARK --set-mark 0xeeee'
  const mangle = [`-A POSTROUTING ${save}`, ...released, ...queued].map(rule => `iptables -t mangle ${rule}`)
  return [...mangle, `iptables -A INPUT ${save}`].join('\n')
}

const FLUSH = 'iptables -t mangle -F; iptables -F'

function startProduct({ auth, tokens }) {
  return async context => {
    const { folder, network, profileTo } = context
    const files = HOSTS.map(host => configure({ folder, host, auth, tokens }))
    const profile = profileTo ? ['--cpu-prof', `--cpu-prof-dir=${profileTo}`] : []
    const daemons = HOSTS.map(host =>
      network.spawn(host, ['node', ...profile, MAIN, 'daemon', '--config', files[host - 1].config]),
    )
    const ready = daemons.map(daemon => said(daemon.stderr, / is ready on /))
    await Promise.all(ready).catch(async error => {
      await Promise.all(daemons.map(end))
      throw error
    })
    const asPU =
      (host, ...options) =>
      command => [...[TRIREME, 'run', '--socket', files[host - 1].socket, ...options, '--'], ...command]
    const ports = `${PORT}-${PORT + PORTS - 1}`
    const server = await startServer(context, asPU(2, '--label', 'app=server', '--port', ports))
    return {
      pids: daemons.map(({ pid }) => pid),
      load: loadOf(context, asPU(1, '--label', 'app=client')),
      async stop() {
        await end(server)
        await Promise.all(daemons.map(end))
        for (const host of HOSTS) {
          await network.run(host, [TRIREME, 'uninstall', '--config', files[host - 1].config])
        }
      },
    }
  }
}

function configure({ folder, host, auth, tokens }) {
  const own = join(folder, `host${host}`)
  rmSync(own, { recursive: true, force: true })
  mkdirSync(own)
  const socket = join(own, 'control.sock')
  const policy = {
    default: 'deny',
    rules: [{ name: 'bench', to: { app: 'server' }, from: { app: 'client' }, action: 'allow' }],
  }
  writeFileSync(join(own, 'policy.yaml'), JSON.stringify(policy))
  const config = {
    ...{ serverID: nameOf(host), socket, stateDir: join(own, 'state'), tokens },
    ...{ networks: ['10.77.0.0/16'], monitors: { linux: {} }, policy: './policy.yaml' },
    auth: auth === 'psk' ? { psk: { file: pskIn(folder) } } : { pki: pkiIn(folder, host) },
  }
  writeFileSync(join(own, 'trireme.yaml'), JSON.stringify(config), { mode: 0o600 })
  return { config: join(own, 'trireme.yaml'), socket }
}

function pskIn(folder) {
  const file = join(folder, 'psk')
  writeFileSync(file, 'a pre-shared key of the benchmark, which protects nothing', { mode: 0o600 })
  return file
}

function pkiIn(folder, host) {
  const [ca, node] = [join(folder, 'ca'), join(folder, `node${host}`)]
  const keys = (...args) => execFileSync(TRIREME, ['keys', ...args])
  rmSync(node, { recursive: true, force: true })
  if (host === 1) {
    rmSync(ca, { recursive: true, force: true })
    keys('ca', '--out', ca, '--name', 'bench')
  }
  keys('node', '--ca', ca, '--name', nameOf(host), '--out', node)
  return { key: join(node, 'key.pem'), cert: join(node, 'cert.pem'), ca: join(node, 'ca.pem') }
}

async function startServer({ network, programs }, as) {
  const server = network.spawn(2, as([programs.load, 'server', '-p', String(PORT), '-P', String(PORTS)]))
  await said(server.stdout, /^LISTENING/m)
  return server
}

/** No tuple comes twice: the generator counts on in a file. */
function loadOf({ network, programs, folder }, as) {
  const client = [
    programs.load,
    'client',
    '-a',
    '10.77.0.2',
    '-p',
    String(PORT),
    '-f',
    join(folder, 'tuples'),
  ]
  return async args => JSON.parse(await network.run(1, as([...client, ...args])))
}

async function said(stream, pattern) {
  let text = ''
  for (const deadline = Date.now() + 30_000; !pattern.test(text); ) {
    const [chunk] = await Promise.race([
      once(stream, 'data'),
      once(stream, 'end').then(() => [undefined]),
      sleep(deadline - Date.now(), [undefined], { ref: false }),
    ])
    if (chunk === undefined) throw new Error(`not ready: ${text}`)
    text += chunk
  }
  stream.resume()
}

async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}
