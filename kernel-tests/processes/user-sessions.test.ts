/**
 * Login sessions as PAM opens them: through a PAM service of the test's own with pamtester, and with su, whose service the test
 * covers with one of its own in a private mount namespace.
 */
import { access, chmod, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { TRIREME } from '../harness/checkout.js'
import { Daemon } from '../harness/daemon.js'
import { eventually } from '../harness/eventually.js'
import { type Host, makeTwoHosts } from '../harness/hosts.js'
import { JSONLinesProcess } from '../harness/json-lines-process.js'
import { WEB } from '../harness/pair.js'
import { startServer } from '../harness/processing-unit.js'
import { runCommand } from '../harness/run-command.js'
import { Teardown } from '../harness/teardown.js'
import { uniqueName } from '../harness/unique-name.js'

/** Debian's system users: `games` of group games may, `news` may not. */
const POLICY = {
  default: 'deny',
  rules: [
    {
      name: 'games',
      to: { app: 'web' },
      from: { user: 'games', group: 'games' },
      ports: [7000],
      action: 'allow',
    },
  ],
}

const SERVICE = 'auth sufficient pam_permit.so\naccount sufficient pam_permit.so\n'

describe.each(['auto', 'owner'] as const)('sessions told by %s', match => {
  const teardown = new Teardown()
  const perTest = new Teardown()
  const service = uniqueName(`pam-${match}`)
  const pamFile = join('/etc/pam.d', service)
  let a: Host
  let b: Host
  let client: Daemon

  beforeAll(async () => {
    const hosts = teardown.own(await makeTwoHosts())
    a = hosts.a
    b = hosts.b
    const server = teardown.own(await Daemon.start(b, { policy: POLICY }))
    client = teardown.own(
      await Daemon.start(a, { policy: POLICY, config: { monitors: { sessions: { match } } } }),
    )
    await chmod(client.folder, 0o755)
    teardown.own(await startServer(server, WEB))
    await writeFile(pamFile, SERVICE)
    await writeFile(shells(), '/bin/bash\n/bin/sh\n/usr/sbin/nologin\n')
    teardown.add(() => rm(pamFile, { force: true }))
    expect(await hook('install')).toMatchObject({ code: 0, stderr: '' })
  })
  afterEach(async () => {
    await perTest.run()
    await eventually('no session is left', async () => (await client.status()).pus.length === 0, {
      timeoutMs: 20_000,
    })
  })
  afterAll(() => teardown.run())

  const hook = (command: string) =>
    runCommand([
      ...[TRIREME, 'session', command, '--socket', client.socket, '--service', service],
      ...['--hook', join(client.folder, 'hook', 'session-hook')],
    ])
  const pus = async () =>
    (await client.status()).pus as readonly { readonly id?: string; readonly tags?: readonly string[] }[]
  const users = async () =>
    (await pus()).map(({ tags = [] }) => tags.find(tag => tag.startsWith('user='))).sort()
  const pamtester = (user: string) =>
    a.namespace.run(['pamtester', service, user, 'open_session', 'close_session'])

  /** System users have no shell; su obeys an ordinary user who names one only if theirs is listed. */
  const shells = () => join(client.folder, 'shells')
  const su = (user: string, script: string) => `su -s /bin/bash -c ${quoted(script)} ${user}`
  /** A login of the user's in which the script runs. */
  const login = (user: string, script: string) =>
    a.namespace.inside([
      ...['unshare', '--mount', 'sh', '-c'],
      `mount --bind ${pamFile} /etc/pam.d/su && mount --bind ${shells()} /etc/shells && exec ${su(user, script)}`,
    ])
  const dial = () => `(exec 3<>/dev/tcp/${b.addresses.IPv4}/7000) 2>&1 && echo connected`
  const outcomeOf = async (user: string, script: string) => (await runCommand(login(user, script))).stdout
  const start = async (user: string) => {
    const shell = perTest.own(new JSONLinesProcess(login(user, 'echo \'"in"\'; cat')))
    expect(await shell.next()).toBe('in')
    return shell
  }

  it('a user whom the policy lets in connects, and another does not', async () => {
    expect(await outcomeOf('games', dial())).toBe('connected\n')
    expect(await outcomeOf('news', dial())).toMatch(/refused/)
  })

  it('has user, groups and service as tags', async () => {
    await start('games')
    expect((await pus()).map(({ tags }) => tags)).toEqual([
      expect.arrayContaining(['user=games', 'group=games', 'service=su', '@sys:uid=5']),
    ])
  })

  it('two sessions of one user, and one of another', async () => {
    const first = await start('games')
    await start('games')
    await start('news')
    expect(await users()).toEqual([...(match === 'auto' ? ['user=games'] : []), 'user=games', 'user=news'])
    await first.stop()
    await eventually(
      'the other session goes on',
      async () => (await users()).join() === 'user=games,user=news',
    )
    expect(await outcomeOf('games', dial())).toBe('connected\n')
  })

  it('a session inside a session is the inner user’s, and the outer one goes on', async () => {
    expect(await outcomeOf('games', `${su('news', dial())}; ${dial()}`)).toMatch(/refused.*connected\n$/s)
    expect(await outcomeOf('news', `${su('games', dial())}; ${dial()}`)).toMatch(/^connected\n.*refused/s)
  })

  it('what outlives its shell stays confined, and the session ends with it', async () => {
    const file = join('/tmp', uniqueName('late'))
    perTest.add(() => rm(file, { force: true }))
    const late = `(sleep 2; ${dial()}) >${file} 2>&1 & echo done`
    expect(await outcomeOf('news', late)).toBe('done\n')
    expect(await users()).toEqual(['user=news'])
    const said = await eventually('it has tried', async () => {
      const text = await readFile(file, 'utf8')
      return text !== '' && text
    })
    expect(said).toMatch(/refused/)
  })

  it('opens and closes by pamtester; not while the daemon is down, when root alone gets in', async () => {
    expect(await pamtester('games')).toMatchObject({ code: 0 })
    await client.terminate()
    try {
      expect((await pamtester('games')).code).not.toBe(0)
      expect(await pamtester('root')).toMatchObject({ code: 0 })
      expect(await outcomeOf('games', 'echo in')).toBe('')
    } finally {
      await client.start()
    }
  })

  it('comes back after a restart of the daemon under the same identity', async () => {
    await start('games')
    const before = (await pus()).map(({ id }) => id)
    await client.terminate()
    await client.start()
    expect((await pus()).map(({ id }) => id)).toEqual(before)
  })

  it('leaves the PAM service as it was', async () => {
    expect(await readFile(pamFile, 'utf8')).toContain('pam_exec.so')
    expect(await hook('remove')).toMatchObject({ code: 0 })
    expect(await readFile(pamFile, 'utf8')).toBe(SERVICE)
    await expect(access(join(client.folder, 'hook'))).rejects.toThrow('ENOENT')
  })
})

/** For the shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
