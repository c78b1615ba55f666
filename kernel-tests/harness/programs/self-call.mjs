// A server and its own client in one process. Usage: self-call.mjs ADDRESS PORT. Prints { connected, equal } or { error }.
import { connect, createServer } from 'node:net'
import process from 'node:process'

const [host, port] = process.argv.slice(2)
const greeting = Buffer.from('a PU may call itself')

const server = createServer(socket => socket.on('error', () => socket.destroy()).pipe(socket))
server.listen(Number(port), host, () => {
  const socket = connect({ host, port: Number(port), timeout: 3_500 })
  socket.on('connect', () => socket.write(greeting))
  socket.on('timeout', () => end({ error: 'TIMEOUT' }))
  socket.on('error', error => end({ error: error.code }))
  socket.once('data', data => end({ connected: true, equal: data.equals(greeting) }))
})

function end(what) {
  console.log(JSON.stringify(what))
  process.exit('error' in what ? 1 : 0)
}
