// Listens on COUNT ports from FIRST on. Usage: streams-server.mjs FIRST COUNT. At an odd port it speaks first: GREETING bytes
// that follow from the port. Then it sends back what it receives until the client has said its last, and ends. Prints
// { listening }, and { accepted: port, bytes } for every connection that ends, bytes being what it received.
import { createServer } from 'node:net'
import process from 'node:process'
import { greeting } from './greeting.mjs'

const [first, count] = process.argv.slice(2).map(Number)
const ports = Array.from({ length: count }, (_, index) => first + index)

await Promise.all(ports.map(listen))
say({ listening: ports.length })
process.stdin.resume().on('end', () => process.exit(0))

function listen(port) {
  const server = createServer({ allowHalfOpen: true }, socket => {
    socket.on('error', () => socket.destroy())
    socket.on('close', () => say({ accepted: port, bytes: socket.bytesRead }))
    if (port % 2 === 1) socket.write(greeting(port))
    socket.pipe(socket)
  })
  return new Promise((resolve, reject) => server.on('error', reject).listen({ port, host: '::' }, resolve))
}

function say(what) {
  console.log(JSON.stringify(what))
}
