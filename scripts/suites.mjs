/** Runs one vitest project and counts what happened. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import process from 'node:process'
import { stripVTControlCharacters } from 'node:util'
import { root } from './setup.mjs'

/** The suites, in the order in which they run. Each is a vitest project. */
export const SUITES = ['unit', 'kernel', 'timed', 'docker']

const MESSAGE_LENGTH = 1500

/**
 * Runs the suite, with vitest's own output on the terminal and its JSON report in `reports/<suite>.json`. Answers with the
 * numbers of tests, with `failures` (a text for each failed test) and with `problems`: what makes the suite fail beside
 * failed tests. A suite of no tests is a problem.
 */
export function runSuite(suite) {
  const report = join(root, 'reports', `${suite}.json`)
  mkdirSync(join(root, 'reports'), { recursive: true })
  rmSync(report, { force: true })
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const result = spawnSync(process.execPath, [vitest, 'run', '--project', suite, ...reporters], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  return count(suite, report, result)
}

function count(suite, report, { status, signal }) {
  if (!existsSync(report)) {
    return {
      suite,
      passed: 0,
      failed: 0,
      skipped: 0,
      failures: [],
      problems: [`did not run: exit ${signal ?? status}`],
    }
  }
  const { testResults } = JSON.parse(readFileSync(report, 'utf8'))
  const tests = testResults.flatMap(file => file.assertionResults)
  const passed = tests.filter(test => test.status === 'passed').length
  const failed = tests.filter(test => test.status === 'failed').length
  const skipped = tests.length - passed - failed
  const problems = testResults
    .filter(file => file.status === 'failed' && !file.assertionResults.some(test => test.status === 'failed'))
    .map(file => `${relative(root, file.name)} did not run: ${file.message.split('\n')[0]}`)
  if (passed + failed === 0) problems.push('not one test ran')
  if (status !== 0 && failed === 0 && problems.length === 0) problems.push(`vitest: exit ${signal ?? status}`)
  return { suite, passed, failed, skipped, failures: testResults.flatMap(failuresOf), problems }
}

/** What is said of a failed test once more where all has run: its name, and the beginning of its message. */
function failuresOf({ name, assertionResults }) {
  return assertionResults
    .filter(({ status }) => status === 'failed')
    .map(({ fullName, failureMessages }) => {
      const message = stripVTControlCharacters(failureMessages.join('\n'))
      return `${relative(root, name)}: ${fullName}\n${message.slice(0, MESSAGE_LENGTH)}`
    })
}
