import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { loadBinding } from '../../packages/enforcer-nfq/src/netlink/binding.js'
import {
  commandMessage,
  NFQNL_CFG_CMD_BIND,
  paramsMessage,
} from '../../packages/enforcer-nfq/src/netlink/nfqueue.js'
import { NF_ACCEPT, openPacketQueue, type PacketQueueOptions } from '../../packages/enforcer-nfq/src/queue.js'

/** What a process or worker of its own does with one queue of a namespace; each says `bound` when it is ready. */
interface Task {
  readonly mode: string
  readonly netns: string
  readonly queue: number
}

const task: Task = isMainThread ? JSON.parse(process.argv[2] ?? '{}') : workerData
const say = (line: string) => (isMainThread ? console.log(line) : parentPort?.postMessage(line))
const report = (error: unknown) => say(`error ${error}`)
const modes: Record<string, () => unknown> = {
  accept,
  exit,
  collect,
  collectNative,
  terminate,
  block,
  throwInOnError,
  throwInBatch,
  unref,
  exitInPacket,
}
modes[task.mode]?.()

function open(onPacket: PacketQueueOptions['onPacket'], onError: PacketQueueOptions['onError'] = report) {
  const queue = openPacketQueue({ netns: task.netns, onError, onPacket })
  queue.bind(task.queue)
  say('bound')
  return queue
}

function accept(): void {
  const queue = open(packet => {
    queue.verdict(packet.queue, packet.id, NF_ACCEPT)
    say(`packet ${packet.id}`)
  })
}

/** Ends with packets queued and its socket open. */
function exit(): void {
  open(packet => {
    if (packet.id === 3) setImmediate(() => process.exit(0))
  })
}

function exitInPacket(): void {
  open(() => process.exit(0))
}

/** Nobody holds the queue, and the collector runs all the time. */
function collect(): void {
  accept()
  for (let i = 0; i < 20; i++) loadBinding().open({ protocol: 12, netns: task.netns })
  keepCollecting()
}

/** Nobody holds the addon's socket: not even its callback knows it. */
function collectNative(): void {
  startNative(() => say('batch'))
  keepCollecting()
}

function keepCollecting(): void {
  const collectGarbage = (globalThis as { gc?: () => void }).gc
  if (collectGarbage === undefined) throw new Error('run with --expose-gc')
  setInterval(() => {
    collectGarbage()
    say('collected')
  }, 5).unref()
}

/** Ends workers while they load, open, bind and answer, and while the addon is in a call that will be refused. */
async function terminate(): Promise<void> {
  say('bound')
  for (let delayMs = 20; delayMs < 120; delayMs += 5) {
    const worker = startWorker('accept')
    await new Promise(resolve => setTimeout(resolve, delayMs))
    await worker.terminate()
  }
  const worker = startWorker('block')
  await new Promise(resolve => worker.once('message', resolve))
  await worker.terminate()
}

function startWorker(mode: string): Worker {
  const worker = new Worker(new URL(import.meta.url), { workerData: { ...task, mode } })
  return worker.on('error', report)
}

/** Waits in the addon for an answer that does not come. */
function block(): void {
  const message = commandMessage(task.queue, NFQNL_CFG_CMD_BIND, 1)
  message[6] = 1 // no acknowledgement asked for
  const socket = loadBinding().open({ protocol: 12, netns: task.netns })
  say('blocked')
  socket.request(message, 500)
}

function throwInOnError(): void {
  process.on('uncaughtException', error => say(`uncaught ${error.message}`))
  const queue = open(
    packet => {
      queue.verdict(packet.queue, packet.id, NF_ACCEPT)
      throw new Error('bug')
    },
    error => {
      throw error
    },
  )
}

/** A throw in the addon's own callback. */
function throwInBatch(): void {
  process.on('uncaughtException', error => say(`uncaught ${error.message}`))
  startNative(() => {
    throw new Error('bug')
  })
}

/** Polls, but does not keep the process alive. */
function unref(): void {
  startNative(() => {}).unref()
}

function startNative(onBatch: () => void) {
  const socket = loadBinding().open({ protocol: 12, netns: task.netns })
  socket.request(commandMessage(task.queue, NFQNL_CFG_CMD_BIND, 1), 1000)
  socket.request(paramsMessage(task.queue, 0xffff, 64, 2), 1000)
  const memory = { rx: new Uint8Array(4096), lengths: new Uint32Array(1) }
  socket.start({ ...memory, slotSize: 4096, rounds: 1 }, onBatch)
  say('bound')
  return socket
}
