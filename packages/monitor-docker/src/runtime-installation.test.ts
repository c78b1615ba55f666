import { execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { installRuntime, removeRuntime } from './runtime-installation.js'

const run = promisify(execFile)
let folder: string
let places: { readonly folder: string; readonly configFile: string }
const config = async () => JSON.parse(await readFile(places.configFile, 'utf8'))
const script = () => join(places.folder, 'trireme-runtime')

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "it's a runtime "))
  places = { folder: join(folder, 'lib'), configFile: join(folder, 'daemon.json') }
})
afterEach(() => rm(folder, { recursive: true }))

describe('installRuntime', () => {
  it('adds to the configuration, and removeRuntime takes back', async () => {
    const before = {
      'log-level': 'warn',
      'default-runtime': 'crun',
      runtimes: { crun: { path: '/usr/bin/crun' } },
    }
    await writeFile(places.configFile, JSON.stringify(before))
    await installRuntime({ ...places, runtime: 'crun' })
    await installRuntime({ ...places, runtime: 'crun' })
    expect(await config()).toEqual({
      'log-level': 'warn',
      'default-runtime': 'trireme',
      runtimes: { crun: { path: '/usr/bin/crun' }, trireme: { path: script() } },
    })
    await removeRuntime(places)
    expect(await config()).toMatchObject({
      'default-runtime': 'crun',
      runtimes: { trireme: { path: script() } },
    })
    await removeRuntime({ ...places, purge: true })
    expect(await config()).toEqual(before)
    await removeRuntime({ ...places, purge: true })
    expect(await config()).toEqual(before)
  })

  it('refuses a name that is taken, and a configuration that is no JSON', async () => {
    await writeFile(places.configFile, JSON.stringify({ runtimes: { trireme: { path: '/elsewhere' } } }))
    await expect(installRuntime(places)).rejects.toThrow('/elsewhere')
    await writeFile(places.configFile, '{')
    await expect(installRuntime(places)).rejects.toThrow('expected JSON')
  })
})

it('does not take a damaged record of the installation for none, and changes nothing', async () => {
  await writeFile(places.configFile, JSON.stringify({ 'default-runtime': 'crun', runtimes: { crun: {} } }))
  await installRuntime({ ...places, runtime: 'crun' })
  const record = join(places.folder, 'installation.json')
  const whole = await readFile(record, 'utf8')
  const installed = await config()
  for (let length = 0; length < whole.length; length++) {
    await writeFile(record, whole.slice(0, length))
    await expect(removeRuntime(places), `${length} bytes`).rejects.toThrow(/installation\.json: damaged/)
    await expect(installRuntime(places), `${length} bytes`).rejects.toThrow(/installation\.json: damaged/)
  }
  expect(await config()).toEqual(installed)
})

describe('the runtime', () => {
  const bundle = () => join(folder, 'config.json')

  it('adds its hook once, to containers that are created, and does what the other does', async () => {
    await installRuntime({ ...places, runtime: 'echo', gateSocket: '/run/gate.sock', timeoutMs: 2000 })
    const hooks = { prestart: [{ path: '/bin/true' }] }
    await writeFile(bundle(), JSON.stringify({ ociVersion: '1.0.2', hooks }))
    const create = ['--root', '/r', 'create', '--bundle', folder, 'abc']
    for (const _ of [1, 2]) expect((await run(script(), create)).stdout).toBe(`${create.join(' ')}\n`)
    const spec = JSON.parse(await readFile(bundle(), 'utf8'))
    expect(spec).toMatchObject({ ociVersion: '1.0.2', hooks })
    expect(spec.hooks.createRuntime).toHaveLength(1)
    expect(spec.hooks.createRuntime[0].args.slice(2)).toEqual(['/run/gate.sock', '2000'])
    await rm(bundle())
    expect((await run(script(), ['kill', 'abc'])).stdout).toBe('kill abc\n')
  })

  it('creates nothing without its hook, and tells the engine why', async () => {
    await installRuntime({ ...places, runtime: 'echo' })
    const log = join(folder, 'log.json')
    await expect(run(script(), ['--log', log, 'create', '--bundle', folder, 'abc'])).rejects.toMatchObject({
      code: 1,
      stdout: '',
    })
    expect(JSON.parse(await readFile(log, 'utf8'))).toMatchObject({
      level: 'error',
      msg: expect.stringContaining('ENOENT'),
    })
  })
})

describe('the hook', () => {
  const STATE = { ociVersion: '1.0.2', id: 'a'.repeat(64), pid: 7, status: 'creating', bundle: '/b' }

  async function hook(socket: string, timeoutMs: number) {
    await installRuntime(places)
    const child = spawn(process.execPath, [join(places.folder, 'wait-hook.mjs'), socket, String(timeoutMs)])
    child.stdin.end(JSON.stringify(STATE, undefined, 1))
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk
    })
    const code = await new Promise(resolve => child.on('close', resolve))
    return { code, said }
  }

  it.each([
    ['{}', 0, ''],
    ['{"refused":"no policy"}', 1, 'trireme: no policy\n'],
  ])('ends as it is answered: %s', async (answer, code, said) => {
    const socket = join(folder, 'gate.sock')
    let heard = ''
    const server = createServer(connection => {
      connection.once('data', data => {
        heard = String(data)
        connection.end(`${answer}\n`)
      })
    })
    await new Promise<void>(resolve => server.listen(socket, resolve))
    expect(await hook(socket, 5000)).toEqual({ code, said })
    expect(JSON.parse(heard)).toEqual(STATE)
    server.close()
  })

  it('refuses when nobody answers in time', async () => {
    const { code, said } = await hook(join(folder, 'nobody.sock'), 300)
    expect(code).toBe(1)
    expect(said).toMatch(/not enforced within 300 ms .*no daemon listens/)
  })
})
