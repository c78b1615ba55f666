/**
 * Measures connection set-up of the product against what its queues cost at least, interleaved in one run. Root.
 *
 *   npm run bench -- [--quick] [--profile] [--out FOLDER] [--repetitions N] [--variants bare,floor,floorp,psk,pki,jwt]
 *
 * Prints tables, and writes `results.json`, charts and, with `--profile`, CPU profiles of the daemons into the folder.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, release, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { barChart } from './chart.mjs'
import { makeNetwork } from './network.mjs'
import { buildPrograms } from './programs.mjs'
import { tables } from './tables.mjs'
import { startVariant, VARIANTS } from './variants.mjs'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    out: { type: 'string', default: 'bench-results' },
    repetitions: { type: 'string' },
    variants: { type: 'string', default: Object.keys(VARIANTS).join(',') },
  },
})
const sizes = values.quick
  ? { repetitions: 1, sequential: 200, concurrent: 500, sustained: 2, round: 1000 }
  : { repetitions: 5, sequential: 1500, concurrent: 4000, sustained: 6, round: 20_000 }
const repetitions = Number(values.repetitions ?? sizes.repetitions)
const variants = values.variants.split(',')
const unknown = variants.filter(name => !(name in VARIANTS))
if (unknown.length > 0)
  throw new RangeError(`--variants: ${unknown}: expected some of ${Object.keys(VARIANTS)}`)
if (!(Number.isInteger(repetitions) && repetitions > 0)) {
  throw new RangeError(`--repetitions: ${values.repetitions}: expected a whole number above 0`)
}

const out = resolve(values.out)
mkdirSync(out, { recursive: true })
const folder = mkdtempSync(join(tmpdir(), 'trireme-bench-'))
const programs = buildPrograms(
  folder,
  variants.some(name => name.startsWith('floor')),
)
const network = makeNetwork()
const context = { folder, programs, network, ...(values.profile && { profileTo: out }) }
const rows = []
try {
  for (let repetition = 1; repetition <= repetitions; repetition++) {
    for (const name of variants) await measure(name, repetition)
  }
  for (const name of ['floorp', 'psk'].filter(each => variants.includes(each))) await sustain(name)
} finally {
  network.remove()
  rmSync(folder, { recursive: true })
}

const machine = {
  processor: `${cpus().length} × ${cpus()[0]?.model}`,
  kernel: release(),
  node: process.version,
  load: loadavg()[0]?.toFixed(1),
}
writeFileSync(join(out, 'results.json'), `${JSON.stringify({ machine, rows }, undefined, 1)}\n`)
const { text, charts } = tables(rows, variants)
for (const chart of charts) writeFileSync(join(out, `${chart.name}.svg`), barChart(chart))
process.stdout.write(
  `${Object.entries(machine)
    .map(([key, value]) => `${key}: ${value}`)
    .join(', ')}\n\n${text}\n`,
)
process.stdout.write(`written to ${out}\n`)

/** @param {string} name @param {number} repetition */
async function measure(name, repetition) {
  const variant = await startVariant(name, context)
  try {
    await variant.load(['-n', '300', '-c', '8'])
    const sequential = ['-n', String(sizes.sequential)]
    const concurrent = ['-n', String(sizes.concurrent), '-c', '64']
    rows.push(await phase(variant, { name, repetition, phase: 'one at a time', load: sequential }))
    rows.push(await phase(variant, { name, repetition, phase: '64 in flight', load: concurrent }))
  } finally {
    await variant.stop()
  }
  process.stderr.write(`repetition ${repetition}: ${name}\n`)
}

/** Round after round against one pair of daemons. */
async function sustain(name) {
  const variant = await startVariant(name, context)
  try {
    for (let round = 1; round <= sizes.sustained; round++) {
      const load = ['-n', String(sizes.round), '-c', '64']
      rows.push(await phase(variant, { name, repetition: round, phase: 'sustained', load }))
    }
  } finally {
    await variant.stop()
  }
}

async function phase(variant, { load, ...row }) {
  const before = variant.pids.map(cpuSeconds)
  const result = await variant.load(load)
  const seconds = variant.pids.map((pid, i) => cpuSeconds(pid) - (before[i] ?? 0))
  const total = seconds.reduce((sum, each) => sum + each, 0)
  return { ...row, result, daemonSeconds: total, rssMegabytes: variant.pids.map(residentMegabytes) }
}

/** Of all threads (proc(5): utime and stime, in ticks of 10 ms). */
function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

function residentMegabytes(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}
