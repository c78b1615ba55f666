/**
 * `npm run demo`: protects real processes on this machine, shows that the permitted connection passes and the others are
 * refused, and leaves the machine as it was. Exits 0 only if all of that was so.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { machineSnapshot } from './machine-snapshot.mjs'
import { root, setUp } from './setup.mjs'

const PORT = 8080
const SERVER_ID = `demo-${process.pid}`
const PAGE = 'Hello from app=web.'
/** A refusal later than this would be an answer to a resent SYN: the second one leaves after 1 s. */
const AT_ONCE_MS = 500

const CONFIG = folder => ({
  serverID: SERVER_ID,
  socket: join(folder, 'demo.sock'),
  stateDir: join(folder, 'state'),
  auth: { psk: { file: './psk' } },
  policy: './policy.yaml',
})

const POLICY = `default: deny
rules:
  - { name: web-from-frontend, to: { app: web }, from: { app: frontend }, ports: [${PORT}], action: allow }
`

const WEB_SERVER = `
  const server = require('node:http').createServer((request, response) => response.end('${PAGE}\\n'))
  server.listen(${PORT}, () => console.log('listening'))
  process.on('SIGTERM', () => process.exit(0))
`

const trireme = join(root, 'trireme')
const running = new Set()
let isEverythingSo = true
let isInterrupted = false
/** Pending or done when the daemon was, or is being, taken away. */
let takenDown

setUp()
const folder = mkdtempSync(join(tmpdir(), 'trireme-demo-'))
const configFile = join(folder, 'trireme.yaml')
const socket = ['--socket', CONFIG(folder).socket]
const interrupted = new Promise((_, reject) => {
  const interrupt = signal => {
    isInterrupted = true
    reject(new Error(`interrupted by ${signal}`))
  }
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, interrupt)
})

try {
  await Promise.race([demonstrate(), interrupted])
} catch (error) {
  isEverythingSo = false
  console.error(`\nThe demo failed: ${error.message}`)
} finally {
  await cleanUp()
}
console.log(isEverythingSo ? '\nAll of that was so.' : '\nNot all of that was so.')
process.exit(isEverythingSo ? 0 : 1)

async function demonstrate() {
  await requireFreePort()
  const before = machineSnapshot(SERVER_ID)
  await startDaemon()
  const wire = await startCapture()
  const web = await startWebServer()
  await showAllowed()
  await showRefused('a PU app=batch', ['run', ...socket, '--label', 'app=batch', '--'])
  await showRefused('a process that is no PU', undefined)
  await showFlows()
  await showReload()
  await showWire(wire)
  await end(wire)
  await end(web)
  await showCleanMachine(before)
}

async function startDaemon() {
  say('The daemon starts. Its policy lets only app=frontend connect to app=web:')
  console.log(POLICY.trimEnd().replace(/^/gm, '    '))
  writeFileSync(join(folder, 'psk'), 'a secret for the length of a demo\n', { mode: 0o600 })
  writeFileSync(join(folder, 'policy.yaml'), POLICY)
  // JSON is YAML.
  writeFileSync(configFile, JSON.stringify(CONFIG(folder)))
  const daemon = start(trireme, ['daemon', '--config', configFile])
  await until(
    'the daemon is ready',
    daemon,
    async () => (await run(trireme, ['status', ...socket])).code === 0,
  )
}

async function startWebServer() {
  say(
    `A web server starts on port ${PORT} as the PU app=web: node's own http, which knows nothing of Trireme.`,
  )
  const labels = ['--label', 'app=web', '--port', String(PORT)]
  const web = start(trireme, ['run', ...socket, ...labels, '--', process.execPath, '-e', WEB_SERVER])
  await until('the web server listens', web, () => web.said.includes('listening'))
  return web
}

async function showAllowed() {
  say('curl runs as a PU app=frontend and asks for the page:')
  const asFrontend = ['run', ...socket, '--label', 'app=frontend', '--']
  const { code, said } = await run(trireme, [...asFrontend, ...curl('-s')])
  check(code === 0 && said.includes(PAGE), `it gets its page: ${said.split('\n')[0]}`)
}

async function showRefused(who, prefix) {
  say(`curl runs as ${who}:`)
  const [program, args] =
    prefix === undefined ? ['curl', curl('-sv').slice(1)] : [trireme, [...prefix, ...curl('-sv')]]
  const { code, said } = await run(program, args)
  const ms = Number(/took=([\d.]+)/.exec(said)?.[1]) * 1000
  const isRefused = code === 7 && said.includes('Connection refused') && ms < AT_ONCE_MS
  check(
    isRefused,
    isRefused ? `refused: ECONNREFUSED after ${ms.toFixed(1)} ms` : `expected a refusal:\n${said}`,
  )
}

function curl(options) {
  return ['curl', options, '--max-time', '10', '-w', '\ntook=%{time_total}\n', `http://127.0.0.1:${PORT}/`]
}

async function showFlows() {
  say('What the daemon recorded, a line for each end that decided:')
  const has = {
    'the frontend accepted by the rule': flow =>
      flow.rule === 'web-from-frontend' && isBy('app=frontend', flow),
    'batch rejected by the policy': flow => flow.reason === 'policy' && isBy('app=batch', flow),
    'the stranger rejected': flow => flow.verdict === 'reject' && flow.source.id === '',
  }
  let flows = []
  const isComplete = async () => {
    flows = await readFlows()
    return Object.values(has).every(isLike => flows.some(isLike))
  }
  // What is missing shows below.
  await until('the flows are recorded', undefined, isComplete).catch(() => undefined)
  printTable(flows.map(row))
  for (const [what, isLike] of Object.entries(has)) check(flows.some(isLike), what)
}

/** The connections that stand are not asked about: nothing that the new policy allows ends. */
async function showReload() {
  say('The policy changes to let app=batch in, and `trireme reload` puts it in force:')
  writeFileSync(
    join(folder, 'policy.yaml'),
    POLICY.replace('from: { app: frontend }', 'from: { app: batch }'),
  )
  const reloaded = await run(trireme, ['reload', ...socket])
  check(reloaded.code === 0, reloaded.said.trim().split('\n').at(-1))
  const asBatch = ['run', ...socket, '--label', 'app=batch', '--']
  const { code, said } = await run(trireme, [...asBatch, ...curl('-s')])
  check(code === 0 && said.includes(PAGE), `app=batch gets its page: ${said.split('\n')[0]}`)
}

async function readFlows() {
  const { said } = await run(trireme, ['flows', ...socket, '--json'])
  const lines = said.split('\n').filter(Boolean)
  return lines.map(line => JSON.parse(line))
}

function isBy(tag, { source }) {
  return source.tags.includes(tag)
}

function printTable(rows) {
  const lines = [Object.keys(rows[0] ?? {}), ...rows.map(Object.values)]
  const widths = lines[0].map((_, column) => Math.max(...lines.map(line => line[column].length)))
  const padded = lines.map(line => line.map((cell, column) => cell.padEnd(widths[column])).join('  '))
  for (const line of padded) console.log(`    ${line.trimEnd()}`)
}

function row({ id, source, destination, verdict, reason, rule }) {
  const app = ({ tags }) => tags.filter(tag => !tag.startsWith('@')).join(' ')
  return {
    flow: id.slice(0, 8),
    from: app(source) || 'no identity',
    to: app(destination),
    verdict,
    reason,
    rule,
  }
}

async function startCapture() {
  const tcpdump = start('tcpdump', ['-i', 'lo', '-n', '-l', '--immediate-mode', 'tcp', 'port', String(PORT)])
  await until('tcpdump listens', tcpdump, () => tcpdump.said.includes('listening on'))
  return tcpdump
}

/** The first connection of all was the frontend's. */
async function showWire(wire) {
  say('The tokens on the wire, as tcpdump on lo saw the first connection (bytes of TCP payload):')
  const length = flags => Number(new RegExp(`Flags \\[${flags}\\].* length (\\d+)`).exec(wire.said)?.[1])
  const [syn, synAck, ack] = ['S', 'S\\.', '\\.'].map(length)
  check(
    syn > 100 && synAck > 100 && ack === 40,
    `SYN ${syn}, SYN-ACK ${synAck}, ACK ${ack}; plain TCP would show 0, 0 and 0`,
  )
}

async function showCleanMachine(before) {
  say(
    'The daemon ends, `trireme uninstall` takes everything away, and the machine is compared with what it was:',
  )
  await takeDown()
  const after = machineSnapshot(SERVER_ID)
  for (const [what, text] of Object.entries(before)) {
    check(
      after[what] === text,
      after[what] === text ? `${what}: as before` : `${what}: was\n${text}\nis\n${after[what]}`,
    )
  }
}

/** Once, however often it is asked for. */
function takeDown() {
  takenDown ??= endAndUninstall()
  return takenDown
}

async function endAndUninstall() {
  for (const child of [...running].reverse()) await end(child)
  const { code, said } = await run(trireme, ['uninstall', '--config', configFile])
  if (code !== 0) throw new Error(`trireme uninstall: exit ${code}\n${said}`)
}

async function cleanUp() {
  try {
    // Without its configuration there was no daemon.
    if (existsSync(configFile)) await takeDown()
  } catch (error) {
    isEverythingSo = false
    console.error(`Cleaning up failed: ${error.message}`)
  }
  rmSync(folder, { recursive: true })
}

function requireFreePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.on('error', error =>
      reject(new Error(`port ${PORT} cannot be used (${error.code}): stop what listens there`)),
    )
    probe.listen(PORT, () => probe.close(resolve))
  })
}

/** Starts a program; `said` grows with what it prints. */
function start(program, args) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  child.said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', chunk => {
      child.said += chunk
    })
  }
  running.add(child)
  child.finished = new Promise(resolve => {
    child.on('error', error => resolve(error.message))
    child.on('close', (code, signal) => resolve(code ?? signal))
  }).finally(() => running.delete(child))
  return child
}

async function run(program, args) {
  const child = start(program, args)
  const code = await child.finished
  return { code, said: child.said }
}

async function end(child) {
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await child.finished
  clearTimeout(timer)
}

async function until(what, child, isSo) {
  const deadline = performance.now() + 15_000
  while (!(await isSo())) {
    if (child !== undefined && !running.has(child))
      throw new Error(`${what}: it ended instead.\n${child.said}`)
    if (performance.now() > deadline) throw new Error(`not within 15 s: ${what}.\n${child?.said ?? ''}`)
    await sleep(50)
  }
}

/** Every step begins with this; after an interruption none does. */
function say(text) {
  if (isInterrupted) throw new Error('interrupted')
  console.log(`\n• ${text}`)
}

function check(isSo, text) {
  console.log(`  ${isSo ? '✓' : '✗'} ${text}`)
  if (!isSo) isEverythingSo = false
}
