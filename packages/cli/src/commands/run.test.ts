import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PURequest } from '@trireme/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ControlSocket, openControlSocket } from '../control/control-socket.js'
import { runCommand } from './run.js'

let folder: string
let socket: string
let control: ControlSocket
/** What the daemon does with a request. */
let activate: (request: PURequest) => Promise<void>

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trireme-run-'))
  socket = join(folder, 'a.sock')
  activate = async () => {}
  control = await openControlSocket({ path: socket })
  control.serve({
    events: {
      async handleRequest(request) {
        await activate(request)
        return { contextID: 'abcdef012345' }
      },
    },
    status: () => {
      throw new Error('not asked')
    },
    flows: async function* () {},
    rotate: () => {
      throw new Error('not asked')
    },
    uninstall: async () => {},
  })
})
afterEach(async () => {
  await control.close()
  await rm(folder, { recursive: true, force: true })
})

const run = (...command: string[]) =>
  runCommand({ socket, label: ['app=web'], port: ['80'], alias: ['203.0.113.7'] }, command)

describe('trireme run', () => {
  it('asks for the very process that becomes the command', async () => {
    const file = join(folder, 'pid')
    let asked: PURequest | undefined
    activate = async request => {
      asked = request
      expect(existsSync(file)).toBe(false)
    }
    expect(await run('sh', '-c', `echo $$ > ${file}`)).toBe(0)
    expect(asked).toMatchObject({
      event: 'start',
      type: 'linux-process',
      pid: Number(await readFile(file, 'utf8')),
      name: 'sh',
      tags: [{ key: 'app', value: 'web' }],
      ports: [{ first: 80, last: 80 }],
      discoverPorts: false,
      aliases: ['203.0.113.7'],
    })
  })

  it.each([
    [['true'], 0],
    [['sh', '-c', 'exit 7'], 7],
    [['sh', '-c', 'kill -TERM $$'], 143],
    [['/nonexistent/program'], 127],
    [['/etc/passwd'], 126],
    [['sh', '-c', 'test "$1" = "a b" && test "$2" = "" && test $# = 2', 'sh', 'a b', ''], 0],
    [['sh', '-c', 'test ! -e /proc/$$/fd/3'], 0],
  ])('ends as %j ends: %i', async (command, status) => {
    expect(await run(...command)).toBe(status)
  })

  it('does not run a command that the daemon refuses', async () => {
    const file = join(folder, 'ran')
    activate = async () => {
      throw new RangeError('no')
    }
    expect(await run('touch', file)).toBe(125)
    expect(existsSync(file)).toBe(false)
  })

  it('does not run a command without a daemon', async () => {
    await control.close()
    const file = join(folder, 'ran')
    expect(await run('touch', file)).toBe(125)
    expect(existsSync(file)).toBe(false)
  })

  it.each([
    ['a bad label', { label: ['app'] }],
    ['a reserved port', { port: ['0'] }],
    ['a name as alias', { alias: ['example.org'] }],
  ])('refuses %s before it makes a process', async (_, change) => {
    activate = () => {
      throw new Error('must not be asked')
    }
    expect(await runCommand({ socket, label: [], port: [], ...change }, ['true'])).toBe(125)
  })

  it.each([[['-c', 'true']], [['']], [[]]])('refuses %j as a command', async command => {
    expect(await run(...command)).toBe(125)
  })

  it('ends when the process is killed before it becomes the command', async () => {
    activate = async ({ pid }) => {
      process.kill(pid!, 'SIGKILL')
    }
    expect(await run('true')).toBe(137)
  })
})
