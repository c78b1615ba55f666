// A connection to an echo server. Usage: session.mjs ADDRESS PORT TIMEOUT_MS. Prints one JSON line when the connection stands
// or has failed: { connected: true, ms } or { error, ms }. For every line N on standard input it sends N bytes, awaits N and
// prints { sent, received, equal, ms }. Ends with its standard input.
import { createHash, randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import process from 'node:process'
import { createInterface } from 'node:readline'

const [host, port, timeoutMs] = process.argv.slice(2)
const began = performance.now()
const socket = connect({ host, port: Number(port) })
const timer = setTimeout(() => fail('TIMEOUT'), Number(timeoutMs))

socket.on('error', error => fail(error.code))
socket.on('connect', () => {
  clearTimeout(timer)
  say({ connected: true, ms: since(began) })
  void serve()
})

async function serve() {
  for await (const line of createInterface({ input: process.stdin })) say(await exchange(Number(line)))
  socket.end()
  socket.on('close', () => process.exit(0))
}

function exchange(count) {
  const bytes = randomBytes(count)
  const digest = createHash('sha256')
  const start = performance.now()
  let received = 0
  return new Promise(resolve => {
    const onData = chunk => {
      received += chunk.length
      digest.update(chunk)
      if (received < count) return
      socket.off('data', onData)
      const equal = digest.digest('hex') === createHash('sha256').update(bytes).digest('hex')
      resolve({ sent: count, received, equal, ms: since(start) })
    }
    socket.on('data', onData)
    socket.write(bytes)
  })
}

function fail(error) {
  say({ error, ms: since(began) })
  process.exit(1)
}

function say(what) {
  process.stdout.write(`${JSON.stringify(what)}\n`)
}

function since(start) {
  return Math.round((performance.now() - start) * 10) / 10
}
