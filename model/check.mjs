/**
 * Checks the model with spin and gcc: `node model/check.mjs` runs every base and every mutant, two at a time, and fails where a
 * base has a counterexample or is not searched to its end, or a mutant has none. `node model/check.mjs NAME` tells the story of
 * a mutant's counterexample, a packet a line.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { bases, mutants } from './runs.mjs'

const model = fileURLToPath(new URL('handshake.pml', import.meta.url))
const run = promisify(execFile)
const AT_ONCE = 2
/** Of each search. Two at a time stay under 4 GB. */
const MAX_MEGABYTES = 1900
const TIMEOUT_MS = 600_000
const MAX_DEPTH = 100_000
/** Depths at which a story is looked for: the first that has one has a short one. */
const STORY_DEPTHS = [150, 200, 250, 300, 400, 500, 700, 1000, 2000, MAX_DEPTH]

/** Answers with the states that the search stored, its seconds, and whether it found a counterexample and came to its end. */
async function search({ defines, breaks, isEndless = false }, folder, maxDepth = MAX_DEPTH) {
  const began = performance.now()
  const kind = isEndless ? ['-DNP'] : ['-DSAFETY']
  await run('spin', ['-a', ...flags(defines), model], { cwd: folder })
  // What stops at its first counterexample is searched sooner than it is optimized.
  const level = breaks === undefined ? '-O2' : '-O1'
  const compile = [
    level,
    '-w',
    '-DNOFAIR',
    '-DNOREDUCE',
    `-DMEMLIM=${MAX_MEGABYTES}`,
    ...kind,
    '-o',
    'pan',
    'pan.c',
  ]
  await run('gcc', compile, { cwd: folder })
  // -E: the model ends where its bounds do. -l: a cycle is an endless run.
  const options = ['-E', `-m${maxDepth}`, ...(isEndless ? ['-l'] : [])]
  const { stdout } = await run(join(folder, 'pan'), options, { cwd: folder, timeout: TIMEOUT_MS })
  const errors = /errors: (\d+)/.exec(stdout)?.[1]
  if (errors === undefined) throw new Error(`pan said: ${stdout}`)
  return {
    hasCounterexample: errors !== '0',
    isComplete: !/Search not completed|max search depth too small|out of memory/i.test(stdout),
    broken: /assertion violated (.*) \(at depth/.exec(stdout)?.[1] ?? '',
    states: Number(/([\d.e+]+) states, stored/.exec(stdout)?.[1] ?? Number.NaN),
    seconds: (performance.now() - began) / 1000,
  }
}

function flags(defines) {
  return defines.map(define => `-D${define}`)
}

/** What is wrong with an outcome; undefined where nothing is. */
function fault({ breaks }, outcome) {
  if (breaks === undefined) {
    if (outcome.hasCounterexample) return `counterexample: ${outcome.broken || 'an endless exchange'}`
    return outcome.isComplete ? undefined : 'not searched to its end'
  }
  if (!outcome.hasCounterexample) return 'no counterexample'
  return outcome.broken.includes(breaks) ? undefined : `broke ${outcome.broken} instead of ${breaks}`
}

async function check(each) {
  const outcome = await inFolder(folder => search(each, folder)).catch(error => ({ error }))
  const why = outcome.error ? String(outcome.error.message) : fault(each, outcome)
  const expected = each.breaks === undefined ? 'holds' : 'counterexample'
  const said = why === undefined ? expected : `FAILED: ${why}`
  const size = outcome.error ? '' : `${outcome.states} states, ${outcome.seconds.toFixed(1)} s`
  console.log(`model  ${each.name.padEnd(34)} ${said.padEnd(15)} ${size}`)
  return why === undefined
}

async function checkAll() {
  const began = performance.now()
  const waiting = [...bases, ...mutants]
  let failures = 0
  const work = async () => {
    for (let each = waiting.shift(); each !== undefined; each = waiting.shift()) {
      if (!(await check(each))) failures++
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  console.log(`model  ${bases.length} bases, ${mutants.length} mutants, ${failures} failed, ${seconds} s`)
  process.exitCode = failures === 0 ? 0 : 1
}

async function tell(name) {
  const each = mutants.find(mutant => mutant.name === name)
  if (!each) throw new Error(`no mutant ${name}: ${mutants.map(mutant => mutant.name).join(', ')}`)
  await inFolder(async folder => {
    for (const depth of STORY_DEPTHS) {
      const { hasCounterexample } = await search(each, folder, depth)
      if (!hasCounterexample) continue
      const trail = ['-k', 'handshake.pml.trail', ...flags(each.defines), model]
      const { stdout } = await run('spin', trail, { cwd: folder, maxBuffer: 2 ** 24 })
      console.log(stdout.split('\n').filter(isOfStory).join('\n'))
      return
    }
  })
}

function isOfStory(line) {
  return /^ *(arrives|leaves) |assert/.test(line)
}

async function inFolder(work) {
  const folder = mkdtempSync(join(tmpdir(), 'trireme-model-'))
  try {
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const [name] = process.argv.slice(2)
await (name === undefined ? checkAll() : tell(name))
