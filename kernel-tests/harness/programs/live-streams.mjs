// Connections to an echo server that live on. Usage: live-streams.mjs ADDRESS PORT BUSY IDLE. BUSY of them send without an end and
// check every byte that comes back by its place in the stream; IDLE of them say one word and then nothing. Prints a JSON line when
// all are connected and have had their first echo. A line `report` prints { open, closedAtMs, sent, echoed, wrong }, a line
// `finish` does so when everything sent has come back. Ends with its standard input.
import { connect } from 'node:net'
import process from 'node:process'
import { createInterface } from 'node:readline'

const [host, port, busy, idle] = process.argv.slice(2)
const CHUNK = 500
const EVERY_MS = 25

/** The byte at a place of every stream: a period that no packet size divides. */
const byteAt = place => (place * 7 + (place >>> 8)) % 251

class Stream {
  sent = 0
  echoed = 0
  wrong = 0
  closedAtMs = undefined

  constructor(isBusy) {
    this.socket = connect({ host, port: Number(port), noDelay: true })
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.closedAtMs = Date.now()
      clearInterval(this.timer)
    })
    this.socket.on('data', data => this.check(data))
    this.isReady = new Promise((resolve, reject) => {
      this.socket.once('data', resolve)
      this.socket.once('close', () => reject(new Error('closed before the first echo')))
    })
    this.socket.on('connect', () => {
      this.send()
      if (isBusy) this.timer = setInterval(() => this.send(), EVERY_MS)
    })
  }

  send() {
    const chunk = Buffer.from(Array.from({ length: CHUNK }, (_, i) => byteAt(this.sent + i)))
    this.sent += CHUNK
    this.socket.write(chunk)
  }

  check(data) {
    for (const byte of data) if (byte !== byteAt(this.echoed++)) this.wrong++
  }
}

const streams = Array.from({ length: Number(busy) + Number(idle) }, (_, i) => new Stream(i < Number(busy)))

function report() {
  const sum = field => streams.reduce((total, stream) => total + stream[field], 0)
  const closed = streams.filter(stream => stream.closedAtMs !== undefined)
  return {
    open: streams.length - closed.length,
    closedAtMs: closed.map(stream => stream.closedAtMs),
    sent: sum('sent'),
    echoed: sum('echoed'),
    wrong: sum('wrong'),
  }
}

async function finish() {
  for (const stream of streams) clearInterval(stream.timer)
  for (let waited = 0; waited < 20_000 && streams.some(each => each.echoed < each.sent); waited += 20)
    await new Promise(resolve => setTimeout(resolve, 20))
  return report()
}

try {
  await Promise.all(streams.map(stream => stream.isReady))
  console.log(JSON.stringify({ connected: streams.length }))
} catch (error) {
  console.log(JSON.stringify({ error: error.message }))
  process.exit(1)
}
for await (const line of createInterface({ input: process.stdin }))
  console.log(JSON.stringify(line === 'finish' ? await finish() : report()))
process.exit(0)
