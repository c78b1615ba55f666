// Sends back what it receives. Usage: echo-server.mjs PORT [ADDRESS]. Prints one JSON line when it listens; ends with its
// standard input.
import { createServer } from 'node:net'
import process from 'node:process'

const [port, address = '::'] = process.argv.slice(2)

const server = createServer({ allowHalfOpen: true }, socket => {
  socket.on('error', () => socket.destroy())
  socket.pipe(socket)
})
server.on('error', error => {
  console.log(JSON.stringify({ error: error.code }))
  process.exitCode = 1
})
server.listen({ port: Number(port), host: address }, () =>
  console.log(JSON.stringify({ listening: Number(port) })),
)
process.stdin.resume().on('end', () => process.exit(0))
