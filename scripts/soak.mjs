/**
 * `npm run soak [rotation | flood | fuzz | packets]…`: the long forms of tests that continuous integration runs in short. Prints what
 * machine it ran on and the figures that the tests print; exits 0 only if all of them passed. `rotation` and `flood` need root, the
 * other two do not; each takes minutes, `fuzz` hours. `TRIREME_FUZZ_RUNS` is how many inputs each property gets, `TRIREME_FUZZ_CASES`
 * how many changed packets, overlays and records `packets` makes.
 */
import { spawn } from 'node:child_process'
import { arch, cpus, release, type } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { stripVTControlCharacters } from 'node:util'
import { root, setUp } from './setup.mjs'

const { TRIREME_FUZZ_RUNS = '1000000', TRIREME_FUZZ_CASES = '10000000' } = process.env

/** By name: a vitest project, the files in it, and what makes them long. */
const PARTS = {
  rotation: {
    project: 'timed',
    files: ['kernel-tests/identity/rotation.test.ts'],
    env: { TRIREME_SOAK: '1' },
  },
  flood: {
    project: 'timed',
    files: ['kernel-tests/roads/flood.test.ts'],
    env: { TRIREME_SOAK: '1' },
  },
  fuzz: {
    project: 'unit',
    files: ['packages/tokens-binary', 'packages/tokens-jwt', 'packages/enforcer-nfq/src/packet'],
    env: { TRIREME_FUZZ_RUNS },
  },
  packets: {
    project: 'kernel',
    files: ['kernel-tests/fuzz'],
    env: { TRIREME_FUZZ_CASES },
  },
}
/** A line of figures that a test prints begins so. */
const FIGURES = /^(rotation|old keys|flood|fuzz)\b.*: /

const asked = process.argv.slice(2)
const unknown = asked.filter(name => !Object.hasOwn(PARTS, name))
if (unknown.length > 0) {
  console.error(`soak: ${unknown.join(', ')}: expected ${Object.keys(PARTS).join(' or ')}`)
  process.exit(2)
}
const names = asked.length > 0 ? asked : Object.keys(PARTS)
if (names.includes('rotation') || names.includes('flood')) setUp()

const results = []
for (const name of names) results.push({ name, ...(await run(PARTS[name])) })

console.log('')
console.log(
  `${cpus()[0].model.trim()} (${cpus().length} cores, ${arch()}), ${type()} ${release()}, Node ${process.version}`,
)
for (const { name, status, seconds, figures } of results) {
  console.log(`${name}: ${status === 0 ? 'passed' : `failed (exit ${status})`} in ${seconds} s`)
  for (const line of figures) console.log(`  ${line}`)
}
process.exitCode = results.every(({ status }) => status === 0) ? 0 : 1

/** Runs a part with vitest's own output on the terminal. */
async function run({ project, files, env }) {
  const began = performance.now()
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const child = spawn(process.execPath, [vitest, 'run', '--project', project, '--testTimeout=0', ...files], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve(code ?? signal))
  })
  const figures = []
  for await (const line of createInterface({ input: child.stdout })) {
    console.log(line)
    const text = stripVTControlCharacters(line)
    if (FIGURES.test(text)) figures.push(text)
  }
  return { status: await closed, seconds: Math.round((performance.now() - began) / 1000), figures }
}
