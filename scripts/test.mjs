/** `npm test`: the set-up, then every suite. Fails when a test fails, when a file does not load, or when a suite ran no test. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { root, setUp } from './setup.mjs'
import { runSuite, SUITES } from './suites.mjs'

/** What `.ci/run` reads: the suites' counts of the last run that came to its end. */
const summary = join(root, 'reports', 'summary.json')

rmSync(summary, { force: true })
setUp()
const results = SUITES.map(suite => {
  console.log(`\nsuite  ${suite}`)
  return runSuite(suite)
})
mkdirSync(join(root, 'reports'), { recursive: true })
writeFileSync(summary, JSON.stringify(results, undefined, 2))

console.log('')
for (const { suite, passed, failed, skipped, failures, problems } of results) {
  console.log(`${suite}: ${passed} passed, ${failed} failed, ${skipped} skipped`)
  for (const failure of failures) console.log(`failed: ${failure}\n`)
  for (const problem of problems) console.log(`${suite}: ${problem}`)
}
const sum = field => results.reduce((total, result) => total + result[field], 0)
const failures = sum('failed') + results.flatMap(result => result.problems).length
console.log(`in all: ${sum('passed')} passed, ${failures} failed, ${sum('skipped')} skipped`)
process.exitCode = failures === 0 ? 0 : 1
