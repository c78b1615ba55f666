/** Whose resolv.conf counts for `dns: allow`. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readNameServers } from '@trireme/core'
import { afterEach, expect, it } from 'vitest'
import { Teardown } from '../harness/teardown.js'

const FORGED = '192.0.2.66'

const teardown = new Teardown()
afterEach(() => teardown.run())

/** A process that sees a resolv.conf of its own in a mount namespace of its own. Answers with its process ID. */
async function processWithForgedFile(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'trireme-resolver-file-'))
  teardown.add(() => rm(folder, { recursive: true }))
  const file = join(folder, 'resolv.conf')
  await writeFile(file, `nameserver ${FORGED}\n`)
  const script = 'mount --bind "$0" /etc/resolv.conf && echo ready && exec cat'
  const child = spawn('unshare', ['--user', '--map-root-user', '--mount', 'sh', '-c', script, file], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  teardown.add(async () => {
    const ended = once(child, 'exit')
    child.stdin.end()
    await ended
  })
  const [said] = await once(child.stdout, 'data')
  expect(String(said)).toBe('ready\n')
  return child.pid!
}

it('a process in the host’s network does not choose its name servers by a mount namespace of its own', async () => {
  const pid = await processWithForgedFile()
  expect(readNameServers({ pid, isolation: { by: 'netns', path: `/proc/${pid}/ns/net` } })).toEqual([FORGED])
  for (const isolation of [
    { by: 'cgroup-path', path: 'any' },
    { by: 'owner', uid: 1000 },
  ] as const) {
    expect(readNameServers({ pid, isolation })).not.toContain(FORGED)
  }
})
