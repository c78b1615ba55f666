/**
 * Adds a createRuntime hook to the bundle of a container that is about to be created (OCI runtime specification, "POSIX-platform
 * Hooks"). Called by the runtime's script as `add-hook.mjs SOCKET TIMEOUT_MS RUNTIME_ARGUMENTS…`. Where it fails, the reason goes
 * to the runtime's log, out of which the engine takes the message for its user.
 */
import { appendFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const [socket, timeoutMs, ...runtimeArguments] = process.argv.slice(2)
const hook = fileURLToPath(new URL('wait-hook.mjs', import.meta.url))

try {
  addHook(join(flag('--bundle') ?? flag('-b') ?? '.', 'config.json'))
} catch (error) {
  refuse(`trireme: the start hook could not be added: ${error.message}`)
}

function addHook(file) {
  const config = JSON.parse(readFileSync(file, 'utf8'))
  const hooks = config.hooks?.createRuntime ?? []
  if (hooks.some(each => each.args?.includes(hook))) return
  const args = [process.execPath, hook, socket, timeoutMs]
  // In whole seconds; the hook itself keeps the time, this is for a hook that hangs.
  const timeout = Math.ceil(Number(timeoutMs) / 1000) + 5
  // Without this key the runtime hands the hook its own environment.
  const env = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin']
  const createRuntime = [...hooks, { path: process.execPath, args, env, timeout }]
  writeFileSync(`${file}.trireme`, JSON.stringify({ ...config, hooks: { ...config.hooks, createRuntime } }))
  renameSync(`${file}.trireme`, file)
}

function refuse(msg) {
  const log = flag('--log')
  const entry = { level: 'error', msg, time: new Date().toISOString() }
  if (log !== undefined) appendFileSync(log, `${JSON.stringify(entry)}\n`)
  console.error(msg)
  process.exitCode = 1
}

/** The value of a flag, written `--flag value` or `--flag=value`. */
function flag(name) {
  const at = runtimeArguments.indexOf(name)
  if (at >= 0) return runtimeArguments[at + 1]
  return runtimeArguments.find(argument => argument.startsWith(`${name}=`))?.slice(name.length + 1)
}
