/** What the kernel says of single sockets, and what a question costs beside many of them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { parseAddress } from '@trireme/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AF_INET, AF_INET6, SocketQuery } from '../../packages/enforcer-nfq/src/netlink/socket-query.js'
import { Namespace } from './namespace.js'
import { reason, titled } from './requirements.js'

const LISTENERS = `
import socket, sys
kept = []
for _, address, port in [each.split() for each in sys.argv[1].split(",")]:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind((address, int(port))); sock.listen(); kept.append(sock)
for index in range(int(sys.argv[2])):
    sock = socket.socket()
    sock.bind(("127.%d.%d.1" % (index % 200 + 1, index // 200), 9000)); sock.listen(1); kept.append(sock)
print("ready", flush=True)
sys.stdin.read()
`
const LISTEN = 10
const ESTABLISHED = 1
const mapped = (address: string) => parseAddress(address)
const ends = (localAddress: string, peerPort = 5555, interfaceIndex = 1) => ({
  localAddress: mapped(localAddress),
  localPort: 8080,
  peerAddress: mapped(localAddress),
  peerPort,
  interfaceIndex,
})

describe.skipIf(reason)(titled('questions about sockets'), () => {
  let namespace: Namespace
  let query: SocketQuery
  const children: ChildProcess[] = []
  beforeEach(() => {
    namespace = new Namespace()
    query = SocketQuery.open(namespace.path)
  })
  afterEach(async () => {
    query.close()
    for (const child of children.splice(0)) child.kill()
    await namespace.remove()
  })

  const listen = async (addresses: readonly string[], more = 0) => {
    const list = addresses.map(each => `x ${each} 8080`).join(',')
    const argv = [`--net=${namespace.path}`, '--', 'python3', '-c', LISTENERS, list, String(more)]
    const child = spawn('nsenter', argv, { stdio: ['pipe', 'pipe', 'inherit'] })
    children.push(child)
    await once(child.stdout!, 'data')
  }

  it('names the listener that takes a SYN: the exact address first, then any, of either family', async () => {
    await listen(['::', '127.0.0.2'])
    expect(query.find(ends('127.0.0.2'))).toMatchObject({ family: AF_INET, state: LISTEN })
    expect(query.find(ends('127.0.0.1'))).toMatchObject({ family: AF_INET6, state: LISTEN })
    expect(query.find(ends('::1'))).toMatchObject({ family: AF_INET6, state: LISTEN, uid: 0 })
    expect(query.find(ends('::1'))?.cgroupID).toBeGreaterThan(0n)
    expect(query.find({ ...ends('127.0.0.1'), localPort: 81 })).toBeUndefined()
    expect(query.listeners(AF_INET, 8080)).toHaveLength(1)
    expect(query.listeners(AF_INET6, 8080)).toHaveLength(1)
    expect(query.listeners(AF_INET, 81)).toEqual([])
  })

  it('names the connection of exactly these ends, and the listener where the peer’s port is left out', async () => {
    await listen(['127.0.0.1'])
    const connect = `import socket, sys; s = socket.socket(); s.bind(("127.0.0.1", 5555)); s.connect(("127.0.0.1", 8080)); print(1, flush=True); sys.stdin.read()`
    const child = spawn('nsenter', [`--net=${namespace.path}`, '--', 'python3', '-c', connect])
    children.push(child)
    await once(child.stdout, 'data')
    expect(query.find(ends('127.0.0.1'))).toMatchObject({ state: ESTABLISHED })
    expect(query.find(ends('127.0.0.1', 0))).toMatchObject({ state: LISTEN })
  })

  it('costs the same beside thousands of sockets', async () => {
    await listen(['0.0.0.0'])
    const few = costOf(() => query.find(ends('127.0.0.1')))
    await listen(['127.0.0.9'], 3000)
    const many = costOf(() => query.find(ends('127.0.0.1')))
    const list = costOf(() => query.listeners(AF_INET, 8080), 100)
    console.log(
      `a question: ${few.toFixed(1)} µs, beside 3,000 listeners ${many.toFixed(1)} µs; a list: ${list.toFixed(1)} µs`,
    )
    expect(many).toBeLessThan(few * 5)
  })
})

/** The median of nine rounds, in microseconds a call. */
function costOf(ask: () => unknown, calls = 1000): number {
  const rounds = Array.from({ length: 9 }, () => {
    const startedMs = performance.now()
    for (let call = 0; call < calls; call++) ask()
    return ((performance.now() - startedMs) / calls) * 1000
  })
  return rounds.sort((a, b) => a - b)[4]!
}
