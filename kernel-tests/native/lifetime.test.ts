import { spawn } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { build } from 'tsup'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Namespace } from './namespace.js'
import { reason, titled } from './requirements.js'

const first = 14
const second = 15
const eventually = (read: () => unknown) => expect.poll(read, { timeout: 10_000, interval: 10 })
/** Beside the addon, where the bundled loader finds it. */
const directory = fileURLToPath(
  new URL('../../packages/enforcer-nfq/native/build/kernel-tests/', import.meta.url),
)
const script = `${directory}child.mjs`

/** A process or worker that runs a mode of child.ts. */
interface Party {
  readonly lines: string[]
  /** Exit code or signal, once it has ended. */
  readonly ended: () => string | number | undefined
  readonly stop: () => Promise<unknown>
  readonly pid?: number | undefined
}

describe.skipIf(reason)(titled('a queue in a process or worker of its own'), () => {
  let namespace: Namespace
  let parties: Party[]

  beforeAll(async () => {
    await build({
      entry: { child: fileURLToPath(new URL('./child.ts', import.meta.url)) },
      outDir: directory,
      outExtension: () => ({ js: '.mjs' }),
      format: 'esm',
      target: 'node20',
      config: false,
      silent: true,
      noExternal: [/^@trireme\//],
      esbuildOptions: options => {
        options.conditions = ['@trireme/source']
      },
    })
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  beforeEach(async () => {
    parties = []
    namespace = new Namespace()
    namespace.queueOutput(first, second)
    await namespace.startPeer()
  })
  afterEach(async () => {
    await Promise.all(parties.map(party => party.stop()))
    await namespace.remove()
  })

  const startProcess = async (mode: string, ...flags: string[]): Promise<Party> => {
    const task = JSON.stringify({ mode, netns: namespace.path, queue: first })
    return ready(processParty([...flags, script, task]))
  }
  const startWorker = async (queue: number): Promise<Party> => {
    return ready(workerParty({ mode: 'accept', netns: namespace.path, queue }))
  }
  const ready = async (party: Party): Promise<Party> => {
    parties.push(party)
    await eventually(() => party.lines[0]).toBe('bound')
    return party
  }

  it('ends with packets queued, and the queue goes with it', async () => {
    const child = await startProcess('exit')
    namespace.send(first, 'x', { count: 5 })
    await eventually(child.ended).toBe(0)
    expect(namespace.statistics(first)).toBeUndefined()
    expect(namespace.received).toEqual([])
  })

  it('ends during a packet', async () => {
    const child = await startProcess('exitInPacket')
    namespace.send(first, 'x')
    await eventually(child.ended).toBe(0)
    expect(namespace.statistics(first)).toBeUndefined()
  })

  it('is not collected while open, and closes what is', async () => {
    const child = await startProcess('collect', '--expose-gc')
    for (let i = 1; i <= 20; i++) {
      namespace.send(first, `${i}`)
      await eventually(() => namespace.received.length).toBe(i)
    }
    const sockets = () => readdirSync(`/proc/${child.pid}/fd`).length
    await eventually(sockets).toBeLessThan(30)
    expect(child.lines.filter(line => line.startsWith('error'))).toEqual([])
  })

  it('keeps a polling socket that nothing refers to', async () => {
    const child = await startProcess('collectNative', '--expose-gc')
    const seen = (line: string) => child.lines.filter(other => other === line).length
    await eventually(() => seen('collected')).toBeGreaterThan(5)
    namespace.send(first, 'x')
    await eventually(() => seen('batch')).toBe(1)
    expect(child.ended()).toBeUndefined()
  })

  it('makes a throw of onError an uncaught exception and goes on', async () => {
    const child = await startProcess('throwInOnError')
    for (const text of ['a', 'b']) namespace.send(first, text)
    await eventually(() => namespace.received).toEqual(['a', 'b'])
    await eventually(() => child.lines).toEqual(['bound', 'uncaught bug', 'uncaught bug'])
  })

  it('makes a throw of the batch callback an uncaught exception and goes on', async () => {
    const child = await startProcess('throwInBatch')
    for (const text of ['a', 'b', 'c']) namespace.send(first, text)
    await eventually(() => child.lines).toEqual(['bound', ...Array(3).fill('uncaught bug')])
  })

  it('does not keep an unreferenced process alive', async () => {
    const child = await startProcess('unref')
    await eventually(child.ended).toBe(0)
  })

  it('serves two queues in two workers', async () => {
    const one = await startWorker(first)
    const two = await startWorker(second)
    namespace.send(first, 'a', { count: 50 })
    namespace.send(second, 'b', { count: 50 })
    await eventually(() => namespace.received.length).toBe(100)
    for (const worker of [one, two]) expect(worker.lines.length).toBe(51)
  })

  it('gives its number to the next worker when terminated, also under load', async () => {
    for (let round = 0; round < 4; round++) {
      const worker = await startWorker(first)
      namespace.send(first, 'load', { count: 400 })
      await eventually(() => worker.lines.length).toBeGreaterThan(1)
      await worker.stop()
      expect(worker.lines.filter(line => line.startsWith('error'))).toEqual([])
      expect(namespace.statistics(first)).toBeUndefined()
    }
    await startWorker(first)
    namespace.send(first, 'last')
    await eventually(() => namespace.received).toContain('last')
  })

  it('survives the end of its workers at any moment', async () => {
    const child = await startProcess('terminate')
    const load = setInterval(() => namespace.send(first, 'load', { count: 20 }), 5)
    try {
      await expect.poll(child.ended, { timeout: 40_000, interval: 50 }).toBe(0)
    } finally {
      clearInterval(load)
    }
    expect(child.lines).toEqual(['bound'])
  })
})

function processParty(args: readonly string[]): Party {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines: string[] = []
  createInterface(child.stdout).on('line', line => lines.push(line))
  const exited = new Promise(resolve => child.once('exit', resolve))
  const ended = () => child.exitCode ?? child.signalCode ?? undefined
  const stop = () => {
    if (ended() === undefined) child.kill('SIGKILL')
    return exited
  }
  return { lines, ended, stop, pid: child.pid }
}

function workerParty(workerData: object): Party {
  const worker = new Worker(script, { workerData, execArgv: [] })
  const lines: string[] = []
  let code: number | undefined
  worker.on('message', line => lines.push(line as string))
  worker.on('error', error => lines.push(`error ${error}`))
  worker.on('exit', exitCode => {
    code = exitCode
  })
  return { lines, ended: () => code, stop: () => worker.terminate() }
}
