import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DEFAULT_TRIREME_NETWORKS, TriremeError } from '@trireme/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readPSK } from './auth/read-secret-file.js'
import { loadConfig } from './config.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trireme-config-'))
})
afterAll(() => rm(folder, { recursive: true }))

const MINIMAL = 'serverID: host-a\nauth: { psk: { file: ./psk } }\npolicy: ./policy.yaml\n'

async function configOf(text: string) {
  const path = join(folder, 'config.yaml')
  await writeFile(path, text)
  return loadConfig(path)
}

async function complaint(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(error).toBeInstanceOf(TriremeError)
  expect((error as TriremeError).code).toBe('ERR_CONFIG')
  return (error as TriremeError).message
}

describe('loadConfig', () => {
  it('fills in the defaults', async () => {
    expect(await configOf(MINIMAL)).toEqual({
      serverID: 'host-a',
      socket: '/run/trireme/host-a.sock',
      users: [],
      stateDir: '/var/lib/trireme/host-a',
      auth: { psk: { file: join(folder, 'psk') } },
      tokens: 'binary',
      authorization: 'mutual',
      onPolicyChange: 'revoke',
      bind: 'strict',
      aliases: [],
      networks: DEFAULT_TRIREME_NETWORKS,
      excludedNetworks: [],
      adopt: 'keep',
      failsafePorts: [],
      monitors: { linux: {} },
      policy: join(folder, 'policy.yaml'),
      watch: false,
    })
  })

  it('reads every key', async () => {
    const text = `
serverID: host_b.1
socket: run/b.sock
stateDir: /srv/state
auth: { psk: { file: ../psk } }
tokens: jwt
authorization: receiver
onPolicyChange: keep
bind: observe
aliases: [203.0.113.7, "2001:db8::7"]
networks: [10.0.0.0/8, "FD00::/8"]
excludedNetworks: [192.0.2.0/24]
failsafePorts: [{ direction: in, port: 22, peers: [192.0.2.0/24] }]
adopt: reset
monitors: { linux: { maxPUsPerUser: 20 } }
policy: /etc/policy.yaml
watch: true
users: [alice, 1001]
`
    expect(await configOf(text)).toEqual({
      serverID: 'host_b.1',
      socket: join(folder, 'run/b.sock'),
      users: ['alice', '1001'],
      stateDir: '/srv/state',
      auth: { psk: { file: join(folder, '../psk') } },
      tokens: 'jwt',
      authorization: 'receiver',
      onPolicyChange: 'keep',
      bind: 'observe',
      aliases: ['203.0.113.7', '2001:db8::7'],
      networks: ['10.0.0.0/8', 'fd00::/8'],
      excludedNetworks: ['192.0.2.0/24'],
      adopt: 'reset',
      failsafePorts: [{ direction: 'in', protocol: 'tcp', port: 22, peers: ['192.0.2.0/24'] }],
      monitors: { linux: { maxPUsPerUser: 20 } },
      policy: '/etc/policy.yaml',
      watch: true,
    })
  })

  it('reads every way to authenticate, and what is accepted besides', async () => {
    const at = (name: string) => join(folder, name)
    const authOf = async (auth: string) =>
      (await configOf(MINIMAL.replace('{ psk: { file: ./psk } }', auth))).auth
    expect(await authOf('{ pki: { key: k, cert: c, ca: a }, accept: [{ psk: { file: p } }] }')).toEqual({
      pki: { key: at('k'), cert: at('c'), ca: at('a') },
      accept: [{ psk: { file: at('p') } }],
    })
    expect(await authOf('{ prepopulated: { key: k, cert: c, ca: a, peers: { host-b: b } } }')).toEqual({
      prepopulated: { key: at('k'), cert: at('c'), ca: at('a'), peers: { 'host-b': at('b') } },
    })
    expect(await authOf('{ compact: { key: k, statement: s, ca: a } }')).toEqual({
      compact: { key: at('k'), statement: at('s'), ca: at('a') },
    })
    for (const word of ['null', '"null"']) {
      expect(await authOf(`{ ${word}: { allow: true } }`)).toEqual({ null: { allow: true } })
    }
    expect(
      await authOf('{ psk: { file: new }, accept: [{ psk: { file: old } }, { psk: { file: older } }] }'),
    ).toEqual({
      psk: { file: at('new') },
      accept: [{ psk: { file: at('old') } }, { psk: { file: at('older') } }],
    })
  })

  it('reads how containers are monitored, and counts their networks', async () => {
    const docker = {
      ...{ enforcement: 'remote', syncAtStart: true, killContainerOnError: true },
      ...{ hostNetwork: true, extractor: 'labels' },
    }
    const usual = await configOf(`${MINIMAL}monitors: { docker: {} }\n`)
    expect(usual.monitors).toEqual({ docker })
    expect(usual.networks).toEqual([...DEFAULT_TRIREME_NETWORKS, '172.16.0.0/12', '192.168.0.0/16'])
    const { monitors } = await configOf(`${MINIMAL}
monitors:
  linux: {}
  docker:
    engine: tcp://127.0.0.1:2376
    tls: { ca: ca.pem, cert: cert.pem, key: /etc/key.pem }
    enforcement: local
    syncAtStart: false
    killContainerOnError: false
    hostNetwork: false
    gateSocket: /run/gate.sock
    extractor: { command: [/bin/extract, --pu], timeoutMs: 1000 }
    procFolder: /host/proc
`)
    expect(monitors).toEqual({
      linux: {},
      docker: {
        engine: 'tcp://127.0.0.1:2376',
        tls: { ca: join(folder, 'ca.pem'), cert: join(folder, 'cert.pem'), key: '/etc/key.pem' },
        ...{ enforcement: 'local', syncAtStart: false, killContainerOnError: false, hostNetwork: false },
        gateSocket: '/run/gate.sock',
        extractor: { command: ['/bin/extract', '--pu'], timeoutMs: 1000 },
        procFolder: '/host/proc',
      },
    })
  })

  it('takes a server ID as its text', async () => {
    expect((await configOf(MINIMAL.replace('host-a', '007'))).serverID).toBe('007')
  })

  const without = (key: string) => MINIMAL.replace(new RegExp(`^${key}:.*\n`, 'm'), '')
  const withLine = (line: string) => `${MINIMAL}${line}\n`
  const serverID = (text: string) => MINIMAL.replace('host-a', text)

  it.each([
    ['an empty file', '', 'config.yaml:1: empty, expected a map with serverID, socket'],
    ['no server ID', without('serverID'), 'config.yaml:1: serverID: missing, expected a server ID'],
    ['no auth', without('auth'), 'config.yaml:1: auth: missing, expected a map with psk'],
    ['no policy', without('policy'), 'config.yaml:1: policy: missing, expected a path'],
    [
      'an empty policy',
      withLine('policy: ""').replace('policy: ./policy.yaml\n', ''),
      'policy: "", expected a path',
    ],
    ['an unknown key', withLine('tokns: jwt'), 'config.yaml:4: tokns: unknown key, expected one of serverID'],
    [
      'an unknown way to authenticate',
      withLine('').replace('psk', 'kerberos'),
      'config.yaml:2: auth.kerberos: unknown key, expected one of psk, pki',
    ],
    [
      'two ways to authenticate at once',
      MINIMAL.replace('./psk }', './psk }, compact: { key: k, statement: s, ca: c }'),
      'config.yaml:2: auth: a map, expected exactly one of psk, pki, prepopulated, compact, null',
    ],
    [
      'no way to authenticate',
      MINIMAL.replace('psk: { file: ./psk }', ''),
      'config.yaml:2: auth: an empty map, expected exactly one of psk',
    ],
    [
      'null without a word',
      MINIMAL.replace('psk: { file: ./psk }', 'null: { allow: false }'),
      'config.yaml:2: auth.null.allow: a value that is not shown here, expected true',
    ],
    [
      'a key file without its certificate',
      MINIMAL.replace('psk: { file: ./psk }', 'pki: { key: k, ca: c }'),
      'config.yaml:2: auth.pki.cert: missing, expected a path',
    ],
    [
      'certificates handed out to nobody',
      MINIMAL.replace('psk: { file: ./psk }', 'prepopulated: { key: k, cert: c, ca: c }'),
      'config.yaml:2: auth.prepopulated.peers: missing, expected a map from server IDs',
    ],
    [
      'null accepted beside another',
      MINIMAL.replace('./psk }', './psk }, accept: [{ null: { allow: true } }]'),
      'config.yaml:2: auth.accept[0].null: unknown key, expected one of psk, pki, prepopulated, compact',
    ],
    [
      'anything accepted beside null',
      MINIMAL.replace('psk: { file: ./psk }', 'null: { allow: true }, accept: [{ psk: { file: p } }]'),
      'config.yaml:2: auth.accept: a list, expected nothing accepted beside null',
    ],
    [
      'two node keys of one mode',
      MINIMAL.replace(
        'psk: { file: ./psk }',
        'pki: { key: k, cert: c, ca: a }, accept: [{ pki: { key: l, cert: d, ca: b } }]',
      ),
      'config.yaml:2: auth.accept[0]: a map, expected pki once: several authorities go into one ca file',
    ],
    [
      'an unknown monitor',
      withLine('monitors: { linux: {}, podman: {} }'),
      'config.yaml:4: monitors.podman: unknown key, expected one of linux, sessions, docker',
    ],
    [
      'no monitor',
      withLine('monitors: {}'),
      'config.yaml:4: monitors: an empty map, expected linux, sessions, docker or several',
    ],
    [
      'an engine that is no address',
      withLine('monitors: { docker: { engine: /var/run/docker.sock } }'),
      'expected an address like unix:///var/run/docker.sock',
    ],
    [
      'an unknown place of enforcement',
      withLine('monitors: { docker: { enforcement: here } }'),
      'monitors.docker.enforcement: "here", expected local or remote',
    ],
    [
      'an unknown extractor',
      withLine('monitors: { docker: { extractor: compose } }'),
      'expected labels, swarm, kubernetes or { command: [PROGRAM, ARGUMENT…], timeoutMs: … }',
    ],
    [
      'an option of the monitor',
      withLine('monitors: { linux: { x: 1 } }'),
      'config.yaml:4: monitors.linux.x: unknown key, expected one of cgroupRoot, maxPUsPerUser',
    ],
    [
      'no PU for a user',
      withLine('monitors: { linux: { maxPUsPerUser: 0 } }'),
      'config.yaml:4: monitors.linux.maxPUsPerUser: "0", expected a number from 1 to 9999',
    ],
    ['a key twice', withLine('serverID: host-b'), 'config.yaml:4: serverID: the key is there twice'],
    ['unknown tokens', withLine('tokens: cbor'), 'config.yaml:4: tokens: "cbor", expected binary or jwt'],
    [
      'unknown authorization',
      withLine('authorization: both'),
      'config.yaml:4: authorization: "both", expected mutual or receiver',
    ],
    [
      'unknown bind',
      withLine('bind: loose'),
      'config.yaml:4: bind: "loose", expected strict, observe or off',
    ],
    [
      'a name as alias',
      withLine('aliases: [example.org]'),
      'config.yaml:4: aliases[0]: "example.org", expected an address',
    ],
    [
      'unknown onPolicyChange',
      withLine('onPolicyChange: forget'),
      'config.yaml:4: onPolicyChange: "forget", expected revoke or keep',
    ],
    [
      'a bad network',
      withLine('networks: [10.0.0.0/33]'),
      'config.yaml:4: networks[0]: "10.0.0.0/33", expected a prefix length of 0 to 32',
    ],
    [
      'a network that is none',
      withLine('networks: [localhost]'),
      'config.yaml:4: networks[0]: "localhost", expected an IPv4 or IPv6 network',
    ],
    [
      'no network',
      withLine('networks: []'),
      'config.yaml:4: networks: an empty list, expected a list of CIDRs with at least one item',
    ],
    [
      'a network without a list',
      withLine('excludedNetworks: 10.0.0.0/8'),
      'config.yaml:4: excludedNetworks: "10.0.0.0/8", expected a list of CIDRs',
    ],
    [
      'a range of failsafe ports',
      withLine('failsafePorts: [{ direction: in, port: 20-22, peers: [10.0.0.0/8] }]'),
      'config.yaml:4: failsafePorts[0].port: "20-22", expected one port',
    ],
    [
      'an excluded network twice',
      withLine('excludedNetworks: [10.0.0.0/8, 10.0.0.0/8]'),
      'config.yaml:4: excludedNetworks[1]: "10.0.0.0/8", expected every item once',
    ],
    ['a server ID with a slash', serverID('a/b'), 'config.yaml:1: serverID: "a/b", expected a server ID'],
    [
      'a server ID that begins with a dot',
      serverID('.a'),
      'config.yaml:1: serverID: ".a", expected a server ID',
    ],
    ['a long server ID', serverID('a'.repeat(65)), 'config.yaml:1: serverID: "aaaa'],
    ['a long socket', withLine(`socket: /run/${'s'.repeat(103)}`), 'config.yaml:4: socket: "/run/ss'],
    ['no YAML', withLine('networks: ['), 'not well-formed YAML'],
  ])('refuses %s', async (_what, text, expected) => {
    expect(await complaint(configOf(text))).toContain(expected)
  })

  it('takes a server ID of 64 characters and a socket of 107 bytes', async () => {
    const text = `${serverID('a'.repeat(64))}socket: /run/${'s'.repeat(102)}\n`
    expect((await configOf(text)).socket).toHaveLength(107)
  })

  it.each([
    [
      'in place of auth',
      'serverID: a\nauth: hunter2hunter2hunter2\npolicy: p\n',
      'auth: a value that is not shown here',
    ],
    [
      'in place of its file',
      'serverID: a\nauth: { psk: hunter2hunter2hunter2 }\npolicy: p\n',
      'auth.psk: a value that is not shown here',
    ],
    [
      'under an unknown key',
      'serverID: a\nauth: { psk: { key: hunter2hunter2hunter2 } }\npolicy: p\n',
      'auth.psk.key: unknown key',
    ],
    ['at the top', 'psk: hunter2hunter2hunter2\n', 'psk: unknown key'],
    ['in place of the file', 'hunter2hunter2hunter2\n', 'config.yaml:1: a value that is not shown here'],
    ['where the YAML breaks', 'auth: { psk: "x" hunter2hunter2hunter2 }\n', 'not well-formed'],
    ['where the YAML ends', 'auth: { psk: [x] }] hunter2hunter2hunter2\n', 'not well-formed'],
    ['behind a tab', 'auth:\n  psk:\n\thunter2hunter2hunter2\n', 'config.yaml:'],
  ])('never shows a key that stands %s', async (_what, text, expected) => {
    const message = await complaint(configOf(text))
    expect(message).toContain(expected)
    expect(message).not.toContain('hunter2')
  })

  it('names a file that is not there', async () => {
    const path = join(folder, 'none.yaml')
    expect(await complaint(loadConfig(path))).toBe(`${path}: ENOENT, expected a readable file in UTF-8`)
  })
})

describe('readPSK', () => {
  const psk = async (content: string, mode = 0o600) => {
    const path = join(folder, 'psk')
    await writeFile(path, content)
    await chmod(path, mode)
    return path
  }

  it.each([
    ['without a newline', '0123456789abcdef', '0123456789abcdef'],
    ['less one newline', '0123456789abcdef\n', '0123456789abcdef'],
    ['less one newline of two', '0123456789abcdef\n\n', '0123456789abcdef\n'],
    ['with a carriage return, which is a byte of it', '0123456789abcdef\r\n', '0123456789abcdef\r'],
    ['with newlines inside', '0123456789\nabcde\n', '0123456789\nabcde'],
  ])('reads the key %s', async (_what, content, expected) => {
    expect(Buffer.from(await readPSK(await psk(content))).toString()).toBe(expected)
  })

  it.each([
    ['an empty file', '', '0 bytes, expected at least 16'],
    ['one newline', '\n', '0 bytes, expected at least 16'],
    ['15 bytes', '0123456789abcde\n', '15 bytes, expected at least 16'],
  ])('refuses %s', async (_what, content, expected) => {
    const path = await psk(content)
    const message = await complaint(readPSK(path))
    expect(message).toContain(`auth.psk.file: ${path}: ${expected}`)
    expect(message).not.toContain('0123')
  })

  it.each([0o644, 0o640, 0o604, 0o620, 0o601])('refuses mode %o', async mode => {
    const path = await psk('0123456789abcdef', mode)
    expect(await complaint(readPSK(path))).toBe(
      `auth.psk.file: ${path}: mode 0${mode.toString(8)}, expected a file for its owner alone: chmod 600 ${path}`,
    )
  })

  it('takes mode 400', async () => {
    expect(await readPSK(await psk('0123456789abcdef', 0o400))).toHaveLength(16)
  })

  it('refuses what is no file, without waiting for it', async () => {
    const missing = join(folder, 'no-psk')
    expect(await complaint(readPSK(missing))).toContain(`${missing}: ENOENT, expected a readable file`)
    const directory = join(folder, 'directory')
    await mkdir(directory, { mode: 0o700 })
    expect(await complaint(readPSK(directory))).toContain('not a regular file, expected a regular file')
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', ['-m', '600', pipe])
    expect(await complaint(readPSK(pipe))).toContain('not a regular file')
  })
})
