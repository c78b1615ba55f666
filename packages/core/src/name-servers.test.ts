import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { nameServers, nameServersIn } from './name-servers.js'

describe('name servers', () => {
  let root: string
  let host: string
  const write = (folder: string, text: string) => {
    mkdirSync(join(folder, 'etc'), { recursive: true })
    writeFileSync(join(folder, 'etc/resolv.conf'), text)
  }
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'trireme-resolv-'))
    host = mkdtempSync(join(tmpdir(), 'trireme-resolv-'))
    mkdirSync(join(root, 'etc'))
    write(host, 'nameserver 192.0.2.99\nnameserver 127.0.0.53\n')
  })
  afterEach(() => {
    for (const folder of [root, host]) rmSync(folder, { recursive: true })
  })

  it('are the first three that resolv.conf lists, without zones', () => {
    const text =
      '# nameserver 192.0.2.1\nsearch test\nnameserver 192.0.2.53\nnameserver\tfe80::1%eth0 \nnameserver x\n'
    expect(nameServers(text)).toEqual(['192.0.2.53', 'fe80::1'])
    const many = Array.from({ length: 9 }, (_, index) => `nameserver 192.0.2.${index}\n`).join('')
    expect(nameServers(many)).toEqual(['192.0.2.0', '192.0.2.1', '192.0.2.2'])
  })

  it('are those of the process, by links below its own root', () => {
    mkdirSync(join(root, 'run'))
    writeFileSync(join(root, 'run/stub.conf'), 'nameserver 192.0.2.53\n')
    symlinkSync('/run/stub.conf', join(root, 'etc/resolv.conf'))
    expect(nameServersIn(root)).toEqual(['192.0.2.53'])
    rmSync(join(root, 'etc/resolv.conf'))
    symlinkSync('../../../../../run/stub.conf', join(root, 'etc/resolv.conf'))
    expect(nameServersIn(root)).toEqual(['192.0.2.53'])
  })

  it("are not read through a link to the host's file", () => {
    symlinkSync(join(host, 'etc/resolv.conf'), join(root, 'etc/resolv.conf'))
    expect(nameServersIn(root)).toEqual([])
  })

  it('a PU that makes its resolv.conf a FIFO, a device, a folder or a link to itself does not hold up the daemon', () => {
    const path = join(root, 'etc/resolv.conf')
    const makes = [
      () => execFileSync('mkfifo', [path]),
      () => symlinkSync('/dev/zero', path),
      () => mkdirSync(path),
      () => symlinkSync('/etc/resolv.conf', path),
      () => undefined,
    ]
    for (const make of makes) {
      make()
      expect(nameServersIn(root)).toEqual([])
      rmSync(path, { recursive: true, force: true })
    }
  })

  it('of a huge file are those of its beginning', () => {
    write(root, `nameserver 192.0.2.53\n${'#'.repeat(1_000_000)}\nnameserver 192.0.2.54\n`)
    expect(nameServersIn(root)).toEqual(['192.0.2.53'])
  })

  it("with Docker's resolver are also those that it asks from inside the container", () => {
    write(root, 'nameserver 127.0.0.11\n\n# ExtServers: [192.0.2.8 host(192.0.2.9) 127.0.0.53]\n')
    expect(nameServersIn(root, host)).toEqual(['127.0.0.11', '192.0.2.8'])
    write(root, 'nameserver 127.0.0.11\noptions ndots:0\n')
    expect(nameServersIn(root, host)).toEqual(['127.0.0.11', '192.0.2.99'])
  })
})
