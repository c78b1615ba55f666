// Connects again and again until its standard input ends. Usage: attempts.mjs ADDRESS PORT. Prints a JSON line at the start, and at
// the end how many attempts there were and how many of them connected.
import { connect } from 'node:net'
import process from 'node:process'

const [host, port] = process.argv.slice(2)
let isOver = false
let attempts = 0
let successes = 0
process.stdin.resume().on('end', () => {
  isOver = true
})
console.log(JSON.stringify('ready'))
while (!isOver) {
  attempts += 1
  if (await isConnected()) successes += 1
}
console.log(JSON.stringify({ attempts, successes }))
process.exit()

function isConnected() {
  return new Promise(resolve => {
    const socket = connect({ host, port: Number(port), timeout: 500 })
    const settle = outcome => {
      socket.destroy()
      resolve(outcome)
    }
    socket.on('error', () => settle(false))
    socket.on('timeout', () => settle(false))
    socket.on('connect', () => settle(true))
  })
}
