/**
 * Waits until the daemon has enforced a container that is being created: `wait-hook.mjs SOCKET TIMEOUT_MS`, the container's OCI
 * state on standard input. Exit status 0: it may run. 1: it must not, and standard error says why. A daemon that is not there
 * is waited for, too: it may be starting.
 */
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import process from 'node:process'

const RETRY_MS = 50
const [socketPath, timeoutMs] = process.argv.slice(2)
const state = readFileSync(0, 'utf8').replaceAll('\n', ' ')
let obstacle = 'no answer'

setTimeout(() => end(`not enforced within ${timeoutMs} ms (${socketPath}: ${obstacle})`), Number(timeoutMs))
ask()

function ask() {
  const socket = connect(socketPath)
  let answer = ''
  socket.setEncoding('utf8')
  socket.on('connect', () => socket.write(`${state}\n`))
  socket.on('data', chunk => {
    answer += chunk
  })
  socket.on('error', error => {
    obstacle = error.code === 'ENOENT' || error.code === 'ECONNREFUSED' ? 'no daemon listens' : error.message
  })
  socket.on('close', () => {
    if (!answer.endsWith('\n')) return setTimeout(ask, RETRY_MS)
    const { refused } = JSON.parse(answer)
    end(refused)
  })
}

function end(refusal) {
  if (refusal !== undefined) console.error(`trireme: ${refusal}`)
  process.exit(refusal === undefined ? 0 : 1)
}
