/**
 * Brings a Debian machine with Node and nothing else of ours to where demo and tests run. Each step says what it does, is
 * skipped when it is done already, and ends the set-up with a reason when it fails. Uses Node's own modules alone: it runs
 * before anything is installed.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

/** The folder of this checkout. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)))

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const stamps = join(root, '.setup')

/** Programs that must be found, and the Debian package that brings each. */
const PROGRAMS = {
  'g++': 'g++',
  gcc: 'gcc',
  make: 'make',
  python3: 'python3',
  'iptables-legacy': 'iptables',
  ipset: 'ipset',
  nft: 'nftables',
  ip: 'iproute2',
  nsenter: 'util-linux',
  conntrack: 'conntrack',
  tcpdump: 'tcpdump',
  curl: 'curl',
  nginx: 'nginx-light',
  iperf3: 'iperf3',
  'redis-server': 'redis-server',
  'redis-benchmark': 'redis-tools',
  rsync: 'rsync',
  ncat: 'ncat',
  spin: 'spin',
  pamtester: 'pamtester',
}

/** Services of these packages. Tests start the programs by hand; the machine is not to serve anything because of us. */
const SERVICES = {
  'nginx-light': 'nginx',
  iperf3: 'iperf3',
  'redis-server': 'redis-server',
  rsync: 'rsync',
}

/** Debian's maintainer scripts ask this program whether they may start a service: 101 is no. */
const SERVICE_POLICY = '/usr/sbin/policy-rc.d'

class SetupError extends Error {}

/** Does every step. Ends the process with status 1 and a reason when one fails. */
export function setUp() {
  completePath()
  step('machine', checkMachine)
  step('Debian packages', installDebianPackages)
  step('npm packages', installNpmPackages)
  step('build', build)
}

/** `su` without `-` leaves out the folders in which iptables and its kin live. */
function completePath() {
  const folders = (process.env.PATH ?? '').split(':')
  const missing = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'].filter(folder => !folders.includes(folder))
  process.env.PATH = [...folders, ...missing].join(':')
}

function checkMachine() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new SetupError(`Node ${process.versions.node} is too old: 20.19 or newer is needed`)
  }
  if (process.platform !== 'linux')
    throw new SetupError(`${process.platform} is not Linux: NFQUEUE exists there only`)
  if (process.getuid() !== 0) throw new SetupError('not root: rules, queues and namespaces need it')
  return `Node ${process.versions.node}, ${process.arch}, root`
}

function installDebianPackages() {
  const missing = missingPackages()
  if (missing.length === 0) return 'present'
  const byHand = `install by hand: ${missing.join(' ')}`
  if (!isInstalled('apt-get')) throw new SetupError(`no apt-get here; ${byHand}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  run('apt-get', ['-q', 'update'], { env, hint: byHand })
  withoutStartingServices(() =>
    run('apt-get', ['-q', 'install', '-y', '--no-install-recommends', ...missing], { env, hint: byHand }),
  )
  disableServices(missing)
  const stillMissing = missingPackages()
  if (stillMissing.length > 0) throw new SetupError(`installed, but not found: ${stillMissing.join(' ')}`)
  return `installed ${missing.join(' ')}`
}

/** A policy that the machine has already is the owner's, and stays. */
function withoutStartingServices(install) {
  if (existsSync(SERVICE_POLICY)) return install()
  writeFileSync(SERVICE_POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    install()
  } finally {
    rmSync(SERVICE_POLICY)
  }
}

/** Not after the next start of the machine either. Packages that were there before are left alone. */
function disableServices(packages) {
  const services = packages.map(name => SERVICES[name]).filter(name => name !== undefined)
  if (services.length === 0 || !isInstalled('systemctl')) return
  for (const service of services) {
    run('systemctl', ['disable', service], { env: process.env, hint: `disable ${service} by hand` })
  }
}

function installNpmPackages() {
  const inputs = ['pnpm-lock.yaml', 'pnpm-workspace.yaml', ...manifestsOfWorkspace()]
  const stamp = digest(inputs, `${process.arch} ${manifest.packageManager}`)
  if (isStamped('npm-packages', stamp) && existsSync(join(root, 'node_modules', '.modules.yaml')))
    return 'up to date'
  pnpm(['install', '--frozen-lockfile'], 'is the npm registry within reach?')
  putStamp('npm-packages', stamp)
  return 'installed from the lockfile'
}

function build() {
  const packages = packagesIn('packages').filter(folder => existsSync(join(root, folder, 'tsup.config.ts')))
  const stamp = digest(
    packages.flatMap(sourcesOf).concat('tsconfig.base.json', 'pnpm-lock.yaml'),
    process.arch,
  )
  if (isStamped('build', stamp) && packages.every(isBuilt)) return 'up to date'
  pnpm(
    ['exec', 'turbo', 'run', 'build', '--cache=local:rw', '--concurrency=100%', '--output-logs=errors-only'],
    'see above',
  )
  const unbuilt = packages.filter(folder => !isBuilt(folder))
  if (unbuilt.length > 0) throw new SetupError(`built, but no output in ${unbuilt.join(', ')}`)
  putStamp('build', stamp)
  return 'built'
}

function isBuilt(folder) {
  const isAddonThere =
    !existsSync(join(root, folder, 'native')) ||
    filesUnder(join(root, folder, 'native/build/Release')).some(file => file.endsWith('.node'))
  return isAddonThere && existsSync(join(root, folder, 'dist'))
}

/** Everything a package's build reads: its folder less what is installed, built or only tested. */
function sourcesOf(folder) {
  const ignored = /\/(node_modules|dist|build|prebuilds|\.turbo)\/|\.test\.ts$/
  return filesUnder(join(root, folder))
    .map(file => relative(root, file))
    .filter(file => !ignored.test(file))
}

function filesUnder(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true })
    .filter(entry => entry.name !== 'node_modules')
    .flatMap(entry => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return filesUnder(path)
      return entry.isFile() ? [path] : []
    })
    .sort()
}

/** The folders in a folder of the workspace that are packages. */
function packagesIn(parent) {
  if (!existsSync(join(root, parent))) return []
  return readdirSync(join(root, parent))
    .map(name => join(parent, name))
    .filter(folder => existsSync(join(root, folder, 'package.json')))
}

function manifestsOfWorkspace() {
  const folders = [...packagesIn('packages'), ...packagesIn('examples'), 'kernel-tests']
  return ['package.json', ...folders.map(folder => join(folder, 'package.json'))]
}

function missingPackages() {
  const missing = Object.keys(PROGRAMS).filter(program => !isInstalled(program))
  return [...new Set(missing.map(program => PROGRAMS[program]))]
}

function isInstalled(program) {
  return process.env.PATH.split(':').some(folder => isExecutable(join(folder, program)))
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The pnpm that package.json pins, out of npx's cache: nothing is installed globally. */
function pnpm(args, hint) {
  const env = { ...process.env, CI: '1', TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' }
  run('npx', ['-y', manifest.packageManager, ...args], { env, hint })
}

/** Runs a program in the checkout; its output is shown only if it fails. */
function run(command, args, { env, hint }) {
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    env,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  if (error === undefined && status === 0) return
  const why = error === undefined ? `exit ${status}` : error.message
  throw new SetupError(`${command} ${args.join(' ')}: ${why}\n${stdout ?? ''}${stderr ?? ''}\n${hint}`)
}

function digest(files, salt) {
  const hash = createHash('sha256').update(salt)
  for (const file of files) hash.update(`\0${file}\0`).update(readFileSync(join(root, file)))
  return hash.digest('hex')
}

function isStamped(name, stamp) {
  const file = join(stamps, name)
  return existsSync(file) && readFileSync(file, 'utf8') === stamp
}

function putStamp(name, stamp) {
  mkdirSync(stamps, { recursive: true })
  writeFileSync(join(stamps, name), stamp)
}

function step(name, action) {
  const began = performance.now()
  process.stdout.write(`set-up  ${name.padEnd(16)} `)
  try {
    const outcome = action()
    console.log(`${outcome} (${((performance.now() - began) / 1000).toFixed(1)} s)`)
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    console.log('FAILED')
    console.error(`set-up failed at "${name}": ${error.message}`)
    process.exit(1)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) setUp()
