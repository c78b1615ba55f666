/**
 * A login user against the PAM hook, which runs as root: everything that `~/.pam_environment` can put into its environment, with
 * pam_env's `user_readenv=1` as Debian's services have it. What the user plants writes a file if it ever runs as root.
 */
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { TRIREME } from '../harness/checkout.js'
import { Daemon } from '../harness/daemon.js'
import { eventually } from '../harness/eventually.js'
import { type Host, makeTwoHosts } from '../harness/hosts.js'
import { mustRun, runCommand } from '../harness/run-command.js'
import { Teardown } from '../harness/teardown.js'
import { uniqueName } from '../harness/unique-name.js'

const SERVICE = `#%PAM-1.0
auth sufficient pam_permit.so
account sufficient pam_permit.so
session required pam_permit.so
session required pam_env.so readenv=0 user_readenv=1
`
const USER = 'games'
/** Of the system's user `games`: covered by a folder of the test's in a mount namespace. */
const HOME = '/usr/games'

const teardown = new Teardown()
let a: Host
let daemon: Daemon
/** /etc/pam.d as the attacked PAM sees it. */
let pamDir: string
let folder: string
let service: string
const hook = () => join(daemon.folder, 'hook', 'session-hook')
const proof = () => join(folder, 'proof')

beforeAll(async () => {
  const hosts = teardown.own(await makeTwoHosts())
  a = hosts.a
  daemon = teardown.own(
    await Daemon.start(a, { policy: { default: 'deny', rules: [] }, config: { monitors: { sessions: {} } } }),
  )
  await chmod(daemon.folder, 0o755)
  folder = await mkdtemp(join(tmpdir(), 'trireme pam '))
  teardown.add(() => rm(folder, { recursive: true }))
  await chmod(folder, 0o755)
  service = uniqueName('pam')
  pamDir = join(folder, 'pam.d')
  await mkdir(pamDir)
  await plant()
})
afterEach(() => rm(proof(), { force: true }))
afterAll(() => teardown.run())

/** What runs as whoever starts it, in each of the forms in which a variable names a program. */
async function plant(): Promise<void> {
  const write = `echo "$(/usr/bin/id -u)" >> '${proof()}'`
  await writeFile(join(folder, 'evil.sh'), `${write}\n`, { mode: 0o755 })
  await writeFile(
    join(folder, 'evil.cjs'),
    `require('fs').appendFileSync(${JSON.stringify(proof())}, process.getuid() + '\\n')\n`,
  )
  await writeFile(
    join(folder, 'evil.c'),
    `#include <stdio.h>\n#include <unistd.h>\n#include <sys/stat.h>
__attribute__((constructor)) void evil(void) {
  FILE *file = fopen(${JSON.stringify(proof())}, "a");
  if (file) fprintf(file, "%d\\n", getuid()), fclose(file);
}
unsigned la_version(unsigned version) { return version; }\n`,
  )
  await mustRun(['gcc', '-shared', '-fPIC', '-o', join(folder, 'evil.so'), join(folder, 'evil.c')])
  // LD_PRELOAD and the like split their values at blanks.
  await copyFile(join(folder, 'evil.so'), `${daemon.folder}/evil.so`)
  await copyFile(join(folder, 'evil.cjs'), `${daemon.folder}/evil.cjs`)
  await mkdir(join(daemon.folder, 'bin'))
  for (const name of ['id', 'getent', 'node', 'sh']) {
    await writeFile(join(daemon.folder, 'bin', name), `#!/bin/bash\n${write}\nexec /usr/bin/${name} "$@"\n`, {
      mode: 0o755,
    })
  }
  await mkdir(join(folder, 'home'))
  const { uid } = JSON.parse(await mustRun(['sh', '-c', `printf '{"uid":%d}' "$(id -u ${USER})"`]))
  await mustRun(['chown', '-R', String(uid), join(folder, 'home')])
}

/** A session of the user's, opened and closed, whose ~/.pam_environment is this. */
async function logIn(environment: string) {
  await writeFile(join(folder, 'home', '.pam_environment'), environment)
  const script = [
    `mount --bind '${join(folder, 'home')}' ${HOME}`,
    `mount --bind '${pamDir}' /etc/pam.d`,
    `exec pamtester ${service} ${USER} open_session close_session`,
  ].join(' && ')
  return a.namespace.run(['unshare', '--mount', 'sh', '-c', script])
}

const session = (command: 'install' | 'remove', name = service) =>
  runCommand([
    ...[TRIREME, 'session', command, '--socket', daemon.socket, '--service', name],
    ...['--pam-dir', pamDir, '--hook', hook()],
  ])

const PAYLOADS: Readonly<Record<string, () => string>> = {
  NODE_OPTIONS: () => `--require=${daemon.folder}/evil.cjs`,
  LD_PRELOAD: () => `${daemon.folder}/evil.so`,
  LD_AUDIT: () => `${daemon.folder}/evil.so`,
  BASH_ENV: () => join(folder, 'evil.sh'),
  ENV: () => join(folder, 'evil.sh'),
  PATH: () => `${daemon.folder}/bin:/usr/bin:/bin`,
  IFS: () => '/',
  PAM_TYPE: () => 'close_session',
  PAM_SERVICE: () => 'sshd',
  PAM_USER: () => 'root',
  TRIREME_SOCKET: () => '/nowhere',
}

/** The service with the hook where `install` puts it, or at its end, where earlier versions did and administrators may. */
async function hookAt(place: 'first' | 'last'): Promise<void> {
  await writeFile(join(pamDir, service), SERVICE)
  expect(await session('install')).toMatchObject({ code: 0, stderr: '' })
  if (place === 'first') return
  const text = await readFile(join(pamDir, service), 'utf8')
  const line = text.split('\n').find(each => each.includes('pam_exec.so'))
  await writeFile(join(pamDir, service), `${SERVICE}${line}\n`)
}

describe.each(['first', 'last'] as const)(
  'a login user’s environment does not run code as root through the PAM hook, %s in its service',
  place => {
    beforeAll(() => hookAt(place))

    it.each(Object.keys(PAYLOADS))('by %s in ~/.pam_environment', async name => {
      expect(await logIn(`${name} DEFAULT="${PAYLOADS[name]!()}"\n`)).toMatchObject({ code: 0 })
      await expect(readFile(proof(), 'utf8')).rejects.toThrow('ENOENT')
    })
  },
)

it('what the tests plant is run by a script that pam_exec starts', async () => {
  const script = join(folder, 'script')
  await writeFile(script, '#!/bin/bash\n:\n', { mode: 0o755 })
  await writeFile(join(pamDir, service), `${SERVICE}session required pam_exec.so [${script}]\n`)
  for (const name of ['LD_PRELOAD', 'BASH_ENV']) {
    expect(await logIn(`${name} DEFAULT="${PAYLOADS[name]!()}"\n`)).toMatchObject({ code: 0 })
    expect(await readFile(proof(), 'utf8')).toContain('0\n')
    await rm(proof())
  }
})

it.each(['first', 'last'] as const)('a login user does not speak for PAM, the hook %s', async place => {
  await hookAt(place)
  const fifo = join(daemon.folder, `fifo-${place}`)
  await mustRun(['mkfifo', '-m', '666', fifo])
  const text = await readFile(join(pamDir, service), 'utf8')
  await writeFile(
    join(pamDir, service),
    `${text}session optional pam_exec.so type=open_session /bin/cat ${fifo}\n`,
  )
  const forged = ['PAM_USER', 'PAM_RHOST', 'PAM_TTY', 'PAM_SERVICE'].map(name => `${name} DEFAULT="root"\n`)
  const opened = logIn(forged.join(''))
  const seen = await eventually('the session is a PU', async () => {
    const { pus } = await daemon.status()
    return (pus as readonly { readonly tags?: readonly string[] }[])[0]
  })
  expect(seen.tags).toEqual(expect.arrayContaining([`user=${USER}`, `service=${service}`]))
  expect(seen.tags?.join()).not.toMatch(/@sys:rhost=root|@sys:tty=root/)
  await writeFile(fifo, 'go')
  expect(await opened).toMatchObject({ code: 0 })
  await eventually('the session has ended', async () => (await daemon.status()).pus.length === 0)
})

describe('trireme session install', () => {
  const file = (name: string) => join(pamDir, name)
  const earlier = () =>
    `${SERVICE}# trireme session: begin\nsession required pam_exec.so seteuid quiet ${hook()}\n# trireme session: end\n`

  it('repairs every service that an earlier version hooked, its script in the place of the program', async () => {
    await rm(hook(), { force: true })
    await writeFile(hook(), '#!/bin/sh\nexit 0\n', { mode: 0o755 })
    for (const name of [service, 'earlier']) await writeFile(file(name), earlier())
    expect(await session('install')).toMatchObject({ code: 0, stderr: '' })
    for (const name of [service, 'earlier']) {
      const lines = (await readFile(file(name), 'utf8'))
        .split('\n')
        .filter(line => line.startsWith('session'))
      expect(lines[0]).toContain(`${hook()} /`)
      expect(lines).toHaveLength(3)
    }
    expect(await logIn(`BASH_ENV DEFAULT="${PAYLOADS['BASH_ENV']!()}"\n`)).toMatchObject({ code: 0 })
    await expect(readFile(proof(), 'utf8')).rejects.toThrow('ENOENT')
  })

  it('keeps the hook until the last service is without: nobody is locked out', async () => {
    expect(await session('remove')).toMatchObject({ code: 0 })
    expect((await readFile(hook())).length).toBeGreaterThan(0)
    expect(await session('remove', 'earlier')).toMatchObject({ code: 0 })
    await expect(readFile(hook())).rejects.toThrow('ENOENT')
    expect(await readFile(file(service), 'utf8')).toBe(SERVICE)
  })

  it('changes nothing where user_readenv comes before the hook, in an included file too', async () => {
    await writeFile(file('inner'), 'auth required pam_env.so user_readenv=1\n')
    await writeFile(file('outer'), `@include inner\n${SERVICE}`)
    const { code, stderr } = await session('install', 'outer')
    expect({ code, stderr }).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/outer.*user_readenv=1.* inner /),
    })
    expect(await readFile(file('outer'), 'utf8')).toBe(`@include inner\n${SERVICE}`)
    await expect(readFile(hook())).rejects.toThrow('ENOENT')
  })

  it('does not put the hook where another user could replace it', async () => {
    const open = join(daemon.folder, 'open')
    await mkdir(open)
    await chmod(open, 0o777)
    await writeFile(file(service), SERVICE)
    const { code, stderr } = await runCommand([
      ...[TRIREME, 'session', 'install', '--socket', daemon.socket, '--service', service],
      ...['--pam-dir', pamDir, '--hook', join(open, 'session-hook')],
    ])
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringMatching(/open has .*mode 777/) })
    expect(await readFile(file(service), 'utf8')).toBe(SERVICE)
  })
})
