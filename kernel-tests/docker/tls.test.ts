import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { NetworkNamespace } from '../harness/network-namespace.js'
import { mustRun } from '../harness/run-command.js'
import { Teardown } from '../harness/teardown.js'
import { DockerEngine } from './docker-engine.js'
import { Protection } from './protection.js'

const teardown = new Teardown()
afterAll(() => teardown.run())

it('reaches an engine by TCP with TLS, and only with credentials', async () => {
  const namespace = teardown.own(await NetworkNamespace.make('tls'))
  const probe = await DockerEngine.prepare(namespace)
  teardown.own(probe)
  const keys = join(probe.folder, 'keys')
  await mkdir(keys)
  const [ca, server, client] = [
    await authority(keys),
    await issue(keys, 'server'),
    await issue(keys, 'client'),
  ]
  await probe.begin([
    ...['-H', 'tcp://127.0.0.1:2376', '--tlsverify', '--tlscacert', ca],
    ...['--tlscert', server.cert, '--tlskey', server.key],
  ])
  await probe.importImage()
  const text = (path: string) => readFile(path, 'utf8')
  const tls = { ca: await text(ca), cert: await text(client.cert), key: await text(client.key) }
  const options = { policy: { default: 'deny', rules: [] } }
  const engine = 'tcp://127.0.0.1:2376'
  const protection = teardown.own(await Protection.start(probe, { ...options, monitor: { engine, tls } }))
  const id = await probe.run([], 'sleep', '600')
  await protection.until(id, 'start')
  await expect(Protection.start(probe, { ...options, monitor: { engine } })).rejects.toThrow('HTTP 400')
  const forged = await selfSigned(keys)
  const strange = { ...tls, cert: await text(forged.cert), key: await text(forged.key) }
  await expect(Protection.start(probe, { ...options, monitor: { engine, tls: strange } })).rejects.toThrow(
    /GET \/version/,
  )
})

interface Pair {
  readonly cert: string
  readonly key: string
}

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

async function authority(folder: string): Promise<string> {
  const cert = join(folder, 'ca.pem')
  const out = ['-keyout', join(folder, 'ca.key'), '-out', cert]
  await mustRun(['openssl', 'req', '-x509', ...EC, '-days', '1', '-subj', '/CN=ca', ...out])
  return cert
}

async function selfSigned(folder: string): Promise<Pair> {
  const pair = pairOf(folder, 'forged')
  const out = ['-keyout', pair.key, '-out', pair.cert]
  await mustRun(['openssl', 'req', '-x509', ...EC, '-days', '1', '-subj', '/CN=forged', ...out])
  return pair
}

async function issue(folder: string, name: string): Promise<Pair> {
  const pair = pairOf(folder, name)
  const request = join(folder, `${name}.csr`)
  const extensions = join(folder, `${name}.ext`)
  await writeFile(extensions, 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n')
  await mustRun(['openssl', 'req', ...EC, '-subj', `/CN=${name}`, '-keyout', pair.key, '-out', request])
  await mustRun([
    ...['openssl', 'x509', '-req', '-in', request, '-days', '1', '-extfile', extensions, '-out', pair.cert],
    ...['-CA', join(folder, 'ca.pem'), '-CAkey', join(folder, 'ca.key'), '-CAcreateserial'],
  ])
  return pair
}

function pairOf(folder: string, name: string): Pair {
  return { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) }
}
