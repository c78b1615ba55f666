/** `dns: allow` for a container that asks the engine's own resolver, over UDP and TCP. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NetworkNamespace } from '../harness/network-namespace.js'
import { runCommand } from '../harness/run-command.js'
import { Teardown } from '../harness/teardown.js'
import { DockerEngine } from './docker-engine.js'
import { Protection } from './protection.js'

const EXTERNAL = {
  pu: {},
  direction: 'out',
  networks: ['127.0.0.11/32'],
  ports: [53],
  action: 'allow',
}

/** Asks for the address of the container `web`; prints what it got, or the error. */
const ASK = String.raw`
import socket, struct, sys
query = b'\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03web\x00\x00\x01\x00\x01'
try:
    if sys.argv[1] == 'udp':
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(4)
        s.sendto(query, ('127.0.0.11', int(sys.argv[2])))
    else:
        s = socket.create_connection(('127.0.0.11', int(sys.argv[2])), 4); s.settimeout(4)
        s.sendall(struct.pack('>H', len(query)) + query)
    print('answered' if s.recv(512) else 'closed')
except OSError as error:
    print(type(error).__name__)
`

describe('a container that asks the resolver of the engine', () => {
  const teardown = new Teardown()
  let protection: Protection
  let pid: number

  beforeAll(async () => {
    const namespace = teardown.own(await NetworkNamespace.make('docker'))
    const engine = teardown.own(await DockerEngine.start(namespace))
    await engine.mustDocker('network', 'create', 'named')
    protection = teardown.own(await Protection.start(engine, { policy: { default: 'deny' } }))
    const id = await engine.run(['--network', 'named', '--name', 'web', '-l', 'app=web'], 'sleep', '600')
    await protection.until(id, 'start')
    pid = await engine.pidOf(id)
  })
  afterAll(() => teardown.run())

  async function ask(protocol: 'udp' | 'tcp', port = 53): Promise<string> {
    const argv = ['nsenter', `--net=/proc/${pid}/ns/net`, '--', 'python3', '-c', ASK, protocol, String(port)]
    return (await runCommand(argv)).stdout.trim()
  }

  it('is refused by default, over UDP and TCP', async () => {
    expect(await ask('udp')).not.toBe('answered')
    expect(await ask('tcp')).toBe('ConnectionRefusedError')
  })

  it('is answered under dns: allow, over UDP and TCP, and at no other port', async () => {
    await protection.apply({ default: 'deny', dns: 'allow' })
    expect(await ask('udp')).toBe('answered')
    expect(await ask('tcp')).toBe('answered')
    expect(await ask('udp', 54)).not.toBe('answered')
    expect(await ask('tcp', 54)).toBe('ConnectionRefusedError')
  })

  it('is answered by rules over addresses alone, each protocol by its own', async () => {
    await protection.apply({ external: [{ ...EXTERNAL, name: 'tcp', protocol: 'tcp' }] })
    expect(await ask('tcp')).toBe('answered')
    expect(await ask('udp')).not.toBe('answered')
    await protection.apply({ external: [{ ...EXTERNAL, name: 'udp', protocol: 'udp' }] })
    expect(await ask('udp')).toBe('answered')
    expect(await ask('tcp')).toBe('ConnectionRefusedError')
  })

  it('is refused where another PU alone may ask', async () => {
    await protection.apply({ pus: [{ pu: { app: 'other' }, dns: 'allow' }] })
    expect(await ask('udp')).not.toBe('answered')
    await protection.apply({ pus: [{ pu: { app: 'web' }, dns: 'allow' }] })
    expect(await ask('udp')).toBe('answered')
  })
})
