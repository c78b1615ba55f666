// Greets whom it accepts (`welcome`), records what it is sent and says so (`heard`). Usage: recorder.mjs PORT. Prints
// { listening }, and as they happen { accepted: PORT of the client } and { received: TEXT }. Ends with its standard input.
import { createServer } from 'node:net'
import process from 'node:process'

const port = Number(process.argv[2])

const server = createServer(socket => {
  say({ accepted: socket.remotePort })
  socket.on('error', () => socket.destroy())
  socket.on('data', bytes => {
    say({ received: bytes.toString('latin1') })
    socket.write('heard')
  })
  socket.write('welcome')
})
server.listen({ port, host: '::' }, () => say({ listening: port }))
process.stdin.resume().on('end', () => process.exit(0))

function say(what) {
  console.log(JSON.stringify(what))
}
