// Connects COUNT times, one after the other. Usage: timed-connects.mjs ADDRESS PORT COUNT. Prints one JSON line: the outcomes
// (`connected` or an errno's name) by number, and p50, p99 and max of their times in milliseconds.
import { connect } from 'node:net'
import process from 'node:process'

const [host, port, count] = process.argv.slice(2)
const outcomes = {}
const times = []
for (let index = 0; index < Number(count); index += 1) {
  const began = performance.now()
  const outcome = await attempt()
  times.push(performance.now() - began)
  outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
}
times.sort((a, b) => a - b)
console.log(JSON.stringify({ outcomes, p50: quantile(0.5), p99: quantile(0.99), max: quantile(1) }))

function attempt() {
  return new Promise(resolve => {
    const socket = connect({ host, port: Number(port) })
    socket.on('error', error => resolve(error.code))
    socket.on('connect', () => {
      socket.resetAndDestroy()
      resolve('connected')
    })
  })
}

function quantile(part) {
  return Math.round(times[Math.ceil(part * times.length) - 1] * 10) / 10
}
