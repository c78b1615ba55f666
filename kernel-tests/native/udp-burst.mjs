// Sends `count` datagrams of `size` bytes to a port of the loopback and ends when the last has left.
import { createSocket } from 'node:dgram'

const [port, count, size] = process.argv.slice(2).map(Number)
const sender = createSocket({ type: 'udp4', sendBufferSize: 4 << 20 })
const payload = Buffer.alloc(size, 'x')
for (let i = 0; i < count; i++) {
  await new Promise(resolve => sender.send(payload, port, '127.0.0.1', resolve))
}
sender.close()
