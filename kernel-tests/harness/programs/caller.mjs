// Connects to a recorder once for every line of standard input, which is "ADDRESS PORT TEXT" or, to connect from a port of its
// own choice, "ADDRESS PORT TEXT FROM": sends TEXT, awaits `heard`, resets the connection and prints { port, answer } with all
// that came, or { error: errno's name, END or TIMEOUT }. Ends with its standard input.
import { connect } from 'node:net'
import process from 'node:process'
import { createInterface } from 'node:readline'

const TIMEOUT_MS = 8_000

say('ready')
for await (const line of createInterface({ input: process.stdin })) say(await call(...line.split(' ')))

function call(host, port, text, localPort) {
  const from = localPort === undefined ? {} : { localPort: Number(localPort) }
  const socket = connect({ host, port: Number(port), ...from })
  let answer = ''
  return new Promise(resolve => {
    const end = outcome => {
      clearTimeout(timer)
      socket.resetAndDestroy()
      resolve(outcome)
    }
    const timer = setTimeout(() => end({ error: 'TIMEOUT' }), TIMEOUT_MS)
    socket.on('error', error => end({ error: error.code }))
    socket.on('end', () => end({ error: 'END' }))
    socket.on('connect', () => socket.write(text))
    socket.on('data', bytes => {
      answer += bytes.toString('latin1')
      if (answer.endsWith('heard')) end({ port: socket.localPort, answer })
    })
  })
}

function say(what) {
  console.log(JSON.stringify(what))
}
