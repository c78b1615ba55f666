// Many connections at once to an echo server. Usage: many-sessions.mjs ADDRESS PORT COUNT TIMEOUT_MS. Each sends a greeting
// when it is connected. Prints one JSON line: an array of { port, outcome } with the connection's own port and `echo` (its
// greeting came back), an errno's name, or `TIMEOUT`.
import { connect } from 'node:net'
import process from 'node:process'

const [host, port, count, timeoutMs] = process.argv.slice(2)
const greeting = 'are you there?'

function attempt() {
  return new Promise(resolve => {
    const socket = connect({ host, port: Number(port) })
    let localPort = 0
    const end = outcome => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ port: localPort, outcome })
    }
    const timer = setTimeout(() => end('TIMEOUT'), Number(timeoutMs))
    socket.on('error', error => end(error.code))
    socket.on('close', () => end('CLOSED'))
    socket.once('data', data => end(data.toString() === greeting ? 'echo' : 'OTHER BYTES'))
    socket.on('connect', () => {
      localPort = socket.localPort
      socket.write(greeting)
    })
  })
}

const outcomes = await Promise.all(Array.from({ length: Number(count) }, attempt))
console.log(JSON.stringify(outcomes))
