// Usage: udp-listener.mjs PORT. Prints { listening }, and { text } for every datagram. Ends with its standard input.
import { createSocket } from 'node:dgram'
import process from 'node:process'

const port = Number(process.argv[2])
const socket = createSocket('udp6')
socket.on('message', bytes => console.log(JSON.stringify({ text: bytes.toString('latin1') })))
socket.bind(port, () => console.log(JSON.stringify({ listening: port })))
process.stdin.resume().on('end', () => process.exit(0))
