// Connects to an echo server at a steady rate until a line comes on its standard input. Usage: steady-connects.mjs ADDRESS PORT RATE
// TIMEOUT_MS. Each connection sends a greeting, awaits it and closes. Prints "started", and at the end one JSON line:
// { attempts, seconds, failures: { <errno, TIMEOUT, CLOSED or OTHER BYTES>: count }, p50Ms, p99Ms, slowestMs, late }; `late` counts
// those whose first SYN was not the one that was answered (over 900 ms).
import { connect } from 'node:net'
import process from 'node:process'

const [host, port, rate, timeoutMs] = process.argv.slice(2)
const greeting = 'are you there?'
const TICK_MS = 10
/** A machine that is behind lowers the rate: connections that pile up would be another test. */
const MAX_OPEN = 60
const result = { attempts: 0, seconds: 0, failures: {}, late: 0 }
const open = new Set()
const times = []
let isOver = false
let skipped = 0
const began = performance.now()

function attempt() {
  result.attempts++
  const start = performance.now()
  const socket = connect({ host, port: Number(port) })
  open.add(socket)
  const end = outcome => {
    if (!open.delete(socket)) return
    clearTimeout(timer)
    const ms = performance.now() - start
    times.push(ms)
    if (ms > 900) result.late++
    if (outcome !== 'echo') result.failures[outcome] = (result.failures[outcome] ?? 0) + 1
    socket.destroy()
    if (isOver) finish()
  }
  const timer = setTimeout(() => end('TIMEOUT'), Number(timeoutMs))
  socket.on('error', error => end(error.code))
  socket.on('close', () => end('CLOSED'))
  socket.once('data', data => end(data.toString() === greeting ? 'echo' : 'OTHER BYTES'))
  socket.on('connect', () => socket.write(greeting))
}

const ticking = setInterval(() => {
  const due = ((performance.now() - began) / 1000) * Number(rate) - result.attempts - skipped
  const count = Math.min(Math.floor(due), MAX_OPEN - open.size)
  for (let index = 0; index < count; index++) attempt()
  // What could not be made in its time is not made up for.
  skipped += Math.max(0, Math.floor(due) - Math.max(0, count))
}, TICK_MS)

function finish() {
  if (open.size > 0) return
  times.sort((a, b) => a - b)
  const [p50Ms, p99Ms, slowestMs] = [0.5, 0.99, 1].map(quantile)
  console.log(JSON.stringify({ ...result, p50Ms, p99Ms, slowestMs }))
  process.exit(0)
}

function quantile(part) {
  return Math.round(times[Math.ceil(part * times.length) - 1] ?? 0)
}

process.stdin.resume().on('data', () => {
  clearInterval(ticking)
  isOver = true
  result.seconds = (performance.now() - began) / 1000
  finish()
})
console.log('"started"')
