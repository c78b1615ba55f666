/** The gates: what must hold of the repository beside its tests. Each is a name and a command line, run in the checkout. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { workspacePackages } from './packages.mjs'
import { root } from './setup.mjs'

const execute = promisify(execFile)
const TIMEOUT_MS = 5 * 60_000
const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/**
 * Runs every gate, as many at a time as there are processors, and resolves with `{ passed, failed }`. What a failed gate said
 * is printed, what a passed one said is not.
 */
export async function runGates() {
  const tarballs = mkdtempSync(join(tmpdir(), 'trireme-pack-'))
  try {
    const rows = gates(tarballs)
    const lanes = Array.from({ length: availableParallelism() }, () => runRows(rows))
    const outcomes = (await Promise.all(lanes)).flat()
    return { passed: outcomes.filter(Boolean).length, failed: outcomes.filter(passed => !passed).length }
  } finally {
    rmSync(tarballs, { recursive: true })
  }
}

/** Rows of gates. Those of one row need each other and run in its order; the longest comes first, since others fit beside it. */
function gates(tarballs) {
  const publishable = workspacePackages().filter(({ manifest }) => manifest.private !== true)
  return [
    [{ name: 'model', command: [process.execPath, 'model/check.mjs'], timeoutMs: 20 * 60_000 }],
    [{ name: 'biome', command: [bin('biome'), 'check', '--error-on-warnings', '.'] }],
    [{ name: 'types', command: [bin('tsc')] }],
    [{ name: 'links in documents', command: [process.execPath, 'scripts/check-links.mjs'] }],
    ...publishable.map(each => packagingGates(each, tarballs)),
    [{ name: 'demo', command: [process.execPath, 'scripts/demo.mjs'] }],
  ]
}

/** Takes rows from the front until there are none, and resolves with whether each gate passed. */
async function runRows(rows) {
  const outcomes = []
  for (let row = rows.shift(); row !== undefined; row = rows.shift()) {
    for (const gate of row) outcomes.push(await runGate(gate))
  }
  return outcomes
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

async function runGate({ name, command, timeoutMs = TIMEOUT_MS }) {
  const began = performance.now()
  const complaint = await complaintOf(command, timeoutMs)
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  console.log(`gate  ${name}: ${complaint === undefined ? 'passed' : 'FAILED'} (${seconds} s)`)
  if (complaint !== undefined) console.log(complaint)
  return complaint === undefined
}

/** What a command that failed, or could not be started or made up, said; undefined if it succeeded. */
async function complaintOf(command, timeoutMs) {
  try {
    const [program, ...args] = typeof command === 'function' ? command() : command
    await execute(program, args, { cwd: root, timeout: timeoutMs, maxBuffer: 64 * 1024 * 1024 })
    return undefined
  } catch (error) {
    return `${error.stdout ?? ''}${error.stderr ?? ''}${error}`
  }
}
