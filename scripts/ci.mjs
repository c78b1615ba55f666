/**
 * Everything that continuous integration demands: `npm test`, then the gates. The last line is the sum over both, and the
 * status is 0 only if nothing failed and every suite ran.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { runGates } from './gates.mjs'
import { root } from './setup.mjs'
import { SUITES } from './suites.mjs'

/** After this long the tests, and all that they started, are killed: the gates still have to run. */
const TIMEOUT_MS = 60 * 60_000
const summary = join(root, 'reports', 'summary.json')

rmSync(summary, { force: true })
const status = await runTests()
const results = existsSync(summary) ? JSON.parse(readFileSync(summary, 'utf8')) : []
const sum = field => results.reduce((total, result) => total + result[field], 0)
const unrun = SUITES.filter(
  suite => !results.some(result => result.suite === suite && result.passed + result.failed > 0),
)
const problems = results.flatMap(result => result.problems).length

console.log('')
for (const suite of unrun) console.log(`suite ${suite} did not run (npm test: ${status})`)
const gates = await runGates()

for (const failure of results.flatMap(({ failures }) => failures)) console.log(`\nfailed: ${failure}`)
const failedTests = Math.max(sum('failed') + problems, unrun.length, status === 0 ? 0 : 1)
const passed = sum('passed') + gates.passed
const failed = failedTests + gates.failed
console.log(`${passed} passed, ${failed} failed, ${sum('skipped')} skipped`)
process.exitCode = failed === 0 ? 0 : 1

/** `npm test` in a process group of its own; answers with its exit status, or with the signal that ended it. */
function runTests() {
  const tests = spawn('npm', ['test'], { cwd: root, stdio: 'inherit', detached: true })
  const kill = () => process.kill(-tests.pid, 'SIGKILL')
  const timer = setTimeout(kill, TIMEOUT_MS)
  const interrupt = () => {
    kill()
    process.exit(1)
  }
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, interrupt)
  return new Promise((resolve, reject) => {
    tests.on('error', reject)
    tests.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve(code ?? signal)
    })
  })
}
