import { expect, it } from 'vitest'
import { CLIENT, kindOf, SERVER, twoHosts } from './simulation/scenarios.js'

/** Two hosts whose clocks, set by the same server, step at the same moment; the time that passes does not. */
async function hostsWithClock() {
  let offsetMs = 0
  let elapsed = () => 0
  const wallClock = () => elapsed() + offsetMs
  const started = Date.UTC(2030, 0, 1)
  elapsed = () => started
  const world = await twoHosts({ clientHost: { wallClock }, serverHost: { wallClock } })
  elapsed = () => world.network.clock.now()
  return {
    ...world,
    step: (ms: number) => {
      offsetMs += ms
    },
  }
}

const STEPS = [
  ['back by ten minutes', -600_000],
  ['forward by ten minutes', 600_000],
] as const

it.each(STEPS)('a connection that is opened just after the clock was set %s comes about', async (_, ms) => {
  const { network, client, step } = await hostsWithClock()
  step(ms)
  const socket = client.tcp.connect(CLIENT, SERVER)
  await network.runAsync(4000)
  expect(socket.state).toBe('established')
})

it.each(STEPS)('one whose SYN was under way when the clock was set %s comes about', async (_, ms) => {
  const { network, client, step } = await hostsWithClock()
  network.tamper = () => []
  const socket = client.tcp.connect(CLIENT, SERVER)
  network.run(10)
  network.tamper = bytes => [{ bytes, delayMs: 1 }]
  step(ms)
  await network.runAsync(8000)
  expect(socket.state).toBe('established')
})

it.each(STEPS)('one whose answer was under way when the clock was set %s comes about', async (_, ms) => {
  const { network, client, step } = await hostsWithClock()
  network.tamper = bytes => (kindOf(bytes) === 'syn-ack' ? [] : [{ bytes, delayMs: 1 }])
  const socket = client.tcp.connect(CLIENT, SERVER)
  network.run(10)
  network.tamper = bytes => [{ bytes, delayMs: 1 }]
  step(ms)
  await network.runAsync(16_000)
  expect(socket.state).toBe('established')
})
