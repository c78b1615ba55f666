// Builds native/build/Release/trireme_netlink.node when it is older than its sources.
// `--prebuild` also puts it where the published package carries it; an existing prebuild is kept fresh.
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const name = 'trireme_netlink.node'
const native = dirname(fileURLToPath(import.meta.url))
const built = join(native, 'build', 'Release', name)
const lock = join(native, '.build-lock')
const prebuilt = join(native, '..', 'prebuilds', `linux-${process.arch}`, name)

function isFresh() {
  if (!existsSync(built)) return false
  const sources = readdirSync(native).filter(file => /\.(cc|h|gyp|mjs)$/.test(file))
  return sources.every(file => statSync(join(native, file)).mtimeMs <= statSync(built).mtimeMs)
}

function nodeGyp() {
  try {
    return [process.execPath, createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js')]
  } catch {
    return ['npx', '--yes', 'node-gyp@11']
  }
}

/** The headers beside the running Node, if it brought them: then nothing is fetched. */
function ownHeaders() {
  const prefix = dirname(dirname(process.execPath))
  return existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : []
}

function build() {
  const [command, ...first] = nodeGyp()
  const result = spawnSync(command, [...first, 'rebuild', '--directory', native, ...ownHeaders()], {
    stdio: 'inherit',
  })
  if (result.error) throw result.error
  if (result.status !== 0) process.exit(result.status ?? 1)
}

/** Two builds in one directory at a time break each other: the second waits, and finds the work done. */
function takeTurns(work) {
  while (!tryLock()) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
  process.on('exit', () => rmSync(lock, { force: true }))
  work()
}

function tryLock() {
  try {
    writeFileSync(lock, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
  }
  const owner = existsSync(lock) ? Number(readFileSync(lock, 'utf8')) : 0
  if (owner > 0 && !existsSync(`/proc/${owner}`)) rmSync(lock, { force: true })
  return false
}

if (process.platform !== 'linux') {
  console.error(`NFQUEUE exists on Linux only: not building ${name} on ${process.platform}`)
} else {
  if (!isFresh()) takeTurns(() => isFresh() || build())
  if (process.argv.includes('--prebuild') || existsSync(prebuilt)) {
    mkdirSync(dirname(prebuilt), { recursive: true })
    copyFileSync(built, prebuilt)
  }
}
