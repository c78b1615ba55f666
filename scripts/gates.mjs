/** The gates: what must hold of the repository beside its tests. Each is a name and a command line, run in the checkout. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import process from 'node:process'
import { workspacePackages } from './packages.mjs'
import { root } from './setup.mjs'

const TIMEOUT_MS = 5 * 60_000
const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** Runs every gate and answers with `{ passed, failed }`. What a failed gate said is printed, what a passed one said is not. */
export function runGates() {
  const tarballs = mkdtempSync(join(tmpdir(), 'trireme-pack-'))
  try {
    const outcomes = gates(tarballs).map(runGate)
    return { passed: outcomes.filter(Boolean).length, failed: outcomes.filter(passed => !passed).length }
  } finally {
    rmSync(tarballs, { recursive: true })
  }
}

function gates(tarballs) {
  const publishable = workspacePackages().filter(({ manifest }) => manifest.private !== true)
  return [
    { name: 'biome', command: [bin('biome'), 'check', '--error-on-warnings', '.'] },
    ...typeGates(),
    { name: 'links in documents', command: [process.execPath, 'scripts/check-links.mjs'] },
    ...publishable.flatMap(each => packagingGates(each, tarballs)),
    { name: 'model', command: [process.execPath, 'model/check.mjs'], timeoutMs: 20 * 60_000 },
    { name: 'demo', command: [process.execPath, 'scripts/demo.mjs'] },
  ]
}

function typeGates() {
  const packages = [...workspacePackages(), ...workspacePackages('examples')]
  const folders = [...packages.map(({ folder }) => folder), join(root, 'kernel-tests'), join(root, 'scripts')]
  return folders.map(folder => ({
    name: `types of ${basename(folder)}`,
    command: [bin('tsc'), '-p', join(folder, 'tsconfig.json')],
  }))
}

/** What a registry would get is packed and looked at, not what lies in the checkout. */
function packagingGates({ folder, manifest }, tarballs) {
  const name = basename(folder)
  const into = join(tarballs, name)
  const packed = () =>
    join(
      into,
      readdirSync(into).find(file => file.endsWith('.tgz')),
    )
  const pack = ['npx', '-y', packageManager, '-C', folder, 'pack', '--pack-destination', into]
  const result = [
    { name: `pack of ${name}`, command: pack },
    { name: `publint of ${name}`, command: () => [bin('publint'), 'run', '--strict', packed()] },
  ]
  // A package of programs alone has no types to resolve.
  if (manifest.exports?.['.'] !== undefined) {
    const attw = () => [bin('attw'), packed(), '--profile', 'esm-only', '--no-emoji', '--format', 'ascii']
    result.push({ name: `types as packed of ${name}`, command: attw })
  }
  return result
}

function bin(name) {
  return join(root, 'node_modules', '.bin', name)
}

function runGate({ name, command, timeoutMs = TIMEOUT_MS }) {
  const began = performance.now()
  const outcome = attempt(command, timeoutMs)
  console.log(
    `gate  ${name}: ${outcome.ok ? 'passed' : 'FAILED'} (${((performance.now() - began) / 1000).toFixed(1)} s)`,
  )
  if (!outcome.ok) console.log(outcome.said)
  return outcome.ok
}

function attempt(command, timeoutMs) {
  try {
    const [program, ...args] = typeof command === 'function' ? command() : command
    const { status, error, stdout, stderr } = spawnSync(program, args, {
      cwd: root,
      encoding: 'utf8',
      timeout: timeoutMs,
      maxBuffer: 64 * 1024 * 1024,
    })
    return {
      ok: status === 0,
      said: `${stdout ?? ''}${stderr ?? ''}${error === undefined ? '' : error.message}`,
    }
  } catch (error) {
    return { ok: false, said: String(error) }
  }
}
