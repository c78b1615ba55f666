// Both ends of UDP on the loopback of the namespace it runs in. A line of input `{port, text, count, size}` sends
// datagrams, `text` filled up to `size` bytes; a line of output is a datagram that arrived.
import { createSocket } from 'node:dgram'
import { createInterface } from 'node:readline'

const ports = process.argv.slice(2).map(Number)
const shown = bytes =>
  bytes.length > 64 ? `${bytes.toString('latin1', 0, 8)}...${bytes.length}` : bytes.toString()

function listen(port) {
  return new Promise(resolve => {
    const receiver = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 })
    receiver.on('message', bytes => console.log(JSON.stringify(shown(bytes))))
    receiver.bind(port, '127.0.0.1', resolve)
  })
}

await Promise.all(ports.map(listen))
const sender = createSocket({ type: 'udp4', sendBufferSize: 4 << 20 })
createInterface(process.stdin)
  .on('line', line => {
    const { port, text, count = 1, size = 0 } = JSON.parse(line)
    for (let i = 0; i < count; i++) sender.send(text.padEnd(size, '.'), port, '127.0.0.1')
  })
  .on('close', () => process.exit())
console.log('ready')
