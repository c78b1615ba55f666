/** The program of `packages/cli/launcher`, against a control socket. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PURequest } from '@trireme/core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { buildLauncher } from '../../launcher/build.mjs'
import { type ControlSocket, openControlSocket } from '../control/control-socket.js'
import { noHandlers } from '../testing/no-handlers.js'

let built: string
let folder: string
let socket: string
let control: ControlSocket
/** What the daemon does with a request. */
let activate: (request: PURequest) => Promise<void>

beforeAll(async () => {
  built = await mkdtemp(join(tmpdir(), 'trireme-launcher-'))
  buildLauncher(join(built, 'trireme-run'))
})
afterAll(() => rm(built, { recursive: true, force: true }))
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trireme-run-'))
  socket = join(folder, 'a.sock')
  activate = async () => {}
  control = await openControlSocket({ path: socket })
  serve()
})
afterEach(async () => {
  await control.close()
  await rm(folder, { recursive: true, force: true })
})

function serve(): void {
  control.serve({
    ...noHandlers,
    events: {
      async handleRequest(request) {
        await activate(request)
        return { contextID: 'abcdef012345' }
      },
    },
  })
}

interface Outcome {
  readonly status: number | NodeJS.Signals
  readonly stderr: string
}

function start(...args: readonly string[]): { child: ChildProcess; outcome: Promise<Outcome> } {
  const child = spawn(join(built, 'trireme-run'), ['run', '--wait', '0', ...args], { stdio: 'pipe' })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', chunk => {
    stderr += chunk
  })
  const outcome = new Promise<Outcome>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ status: code ?? signal!, stderr }))
  })
  return { child, outcome }
}

const run = (...args: readonly string[]) => start('--socket', socket, ...args).outcome
const status = async (...args: readonly string[]) => (await run(...args)).status

describe('trireme run', () => {
  it('asks for the very process that becomes the command', async () => {
    const file = join(folder, 'pid')
    let asked: PURequest | undefined
    activate = async request => {
      asked = request
      expect(existsSync(file)).toBe(false)
    }
    const options = ['--label', 'app=web', '--port=80', '--alias', '203.0.113.7', '--network-only']
    const { child, outcome } = start('--socket', socket, ...options, '--', 'sh', '-c', `echo $$ > ${file}`)
    expect((await outcome).status).toBe(0)
    expect(Number(await readFile(file, 'utf8'))).toBe(child.pid)
    expect(asked).toMatchObject({
      event: 'start',
      type: 'linux-process',
      pid: child.pid,
      name: 'sh',
      tags: [{ key: 'app', value: 'web' }],
      ports: [{ first: 80, last: 80 }],
      discoverPorts: false,
      aliases: ['203.0.113.7'],
      options: { networkOnly: 'true' },
    })
  })

  it('hands over words as they are', async () => {
    let asked: PURequest | undefined
    activate = async request => {
      asked = request
    }
    expect(await status('--name', 'é "x" \\y', '--label', 'note=a"b\\c=d\té', 'true')).toBe(0)
    expect(asked).toMatchObject({ name: 'é "x" \\y', tags: [{ key: 'note', value: 'a"b\\c=d\té' }] })
  })

  it.each([
    [['true'], 0],
    [['sh', '-c', 'exit 7'], 7],
    [['sh', '-c', 'kill -TERM $$'], 'SIGTERM'],
    [['/nonexistent/program'], 127],
    [['/etc/passwd'], 126],
    [['sh', '-c', 'test "$1" = "a b" && test "$2" = "" && test $# = 2', 'sh', 'a b', ''], 0],
    [['sh', '-c', 'test ! -e /proc/$$/fd/3'], 0],
    [['--', 'sh', '-c', 'exit 8', '--', '--label'], 8],
  ])('ends as %j ends: %s', async (command, expected) => {
    expect(await status(...command)).toBe(expected)
  })

  it('leaves no process of its own beside the command', async () => {
    const { child, outcome } = start('--socket', socket, '--', 'cat', '/proc/self/comm')
    let stdout = ''
    child.stdout!.setEncoding('utf8').on('data', chunk => {
      stdout += chunk
    })
    expect((await outcome).status).toBe(0)
    expect(stdout).toBe('cat\n')
  })

  it("does not run a command that the daemon refuses, and shows the reason without the terminal's codes", async () => {
    const file = join(folder, 'ran')
    activate = async () => {
      throw new RangeError('no "such" thing\n\u001b[2J é')
    }
    const { status, stderr } = await run('touch', file)
    expect(status).toBe(125)
    expect(stderr).toBe('trireme: no "such" thing ?[2J é: the command was not run\n')
    expect(existsSync(file)).toBe(false)
  })

  it('does not run a command without a daemon', async () => {
    await control.close()
    const file = join(folder, 'ran')
    expect(await run('touch', file)).toMatchObject({ status: 125, stderr: expect.stringContaining(socket) })
    expect(existsSync(file)).toBe(false)
  })

  it.each([
    ['a bad label', ['--label', 'app']],
    ['a reserved port', ['--port', '0']],
    ['a name as alias', ['--alias', 'example.org']],
    ['a user who is not there', ['--user', 'no-such-user']],
    ['an unknown option', ['--frobnicate']],
    ['an option without a value', ['--label']],
    ['a wait that is no number', ['--wait', '1s']],
  ])('refuses %s and runs nothing', async (_, options) => {
    const file = join(folder, 'ran')
    expect(await status(...options, 'touch', file)).toBe(125)
    expect(existsSync(file)).toBe(false)
  })

  it.each([[['--', '-c', 'true']], [['']], [['--']], [[]]])('refuses %j as a command', async command => {
    expect(await status(...command)).toBe(125)
  })

  it('ends when the process is killed before it becomes the command', async () => {
    activate = async ({ pid }) => {
      process.kill(pid!, 'SIGKILL')
    }
    expect(await status('true')).toBe('SIGKILL')
  })
})

describe('a daemon that is starting', () => {
  it('is waited for, and that is said once', async () => {
    await control.close()
    const { child, outcome } = start('--wait', '30', '--socket', socket, '--', 'true')
    await new Promise(resolve => child.stderr!.once('data', resolve))
    control = await openControlSocket({ path: socket })
    await new Promise(resolve => setImmediate(resolve))
    serve()
    const { status, stderr } = await outcome
    expect(status).toBe(0)
    expect(stderr).toBe(`trireme: waiting 30 s at most for the daemon on ${socket}\n`)
  })

  it('is waited for no longer than was said', async () => {
    await control.close()
    control = await openControlSocket({ path: socket })
    const { status, stderr } = await run('--wait', '1', 'true')
    expect(status).toBe(125)
    expect(stderr).toContain('is not ready after 1 s')
  })
})
