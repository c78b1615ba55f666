// Connects to COUNT ports of a streams-server at once. Usage: streams-client.mjs ADDRESS FIRST COUNT TIMEOUT_MS. At an odd port
// it awaits the greeting; then it sends 1,000 bytes, and 49,000 when these came back, ends, and expects the server's end.
// Prints one JSON line: an array of { port, outcome, ms } with `exact`, an errno's name, `OTHER BYTES`, `CUT` or `TIMEOUT`.
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import process from 'node:process'
import { greeting } from './greeting.mjs'

const [host, first, count, timeoutMs] = process.argv.slice(2)
const ports = Array.from({ length: Number(count) }, (_, index) => Number(first) + index)
console.log(JSON.stringify(await Promise.all(ports.map(attempt))))

async function attempt(port) {
  const began = performance.now()
  const outcome = await talk(port)
  return { port, outcome, ms: Math.round(performance.now() - began) }
}

function talk(port) {
  const own = randomBytes(50_000)
  const greeted = port % 2 === 1 ? greeting(port) : Buffer.alloc(0)
  const expected = Buffer.concat([greeted, own])
  const socket = connect({ host, port, noDelay: true })
  let received = 0
  let sent = 0
  const send = upTo => {
    if (sent >= upTo) return
    socket.write(own.subarray(sent, upTo))
    sent = upTo
    if (sent === own.length) socket.end()
  }
  const proceed = () => {
    if (received >= greeted.length) send(1_000)
    if (received >= greeted.length + 1_000) send(own.length)
  }
  return new Promise(resolve => {
    const end = outcome => {
      clearTimeout(timer)
      socket.destroy()
      resolve(outcome)
    }
    const timer = setTimeout(() => end('TIMEOUT'), Number(timeoutMs))
    socket.on('connect', proceed)
    socket.on('error', error => end(error.code))
    socket.on('end', () => end(received === expected.length ? 'exact' : 'CUT'))
    socket.on('data', chunk => {
      if (!chunk.equals(expected.subarray(received, received + chunk.length))) return end('OTHER BYTES')
      received += chunk.length
      proceed()
    })
  })
}
