import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { TriremeError } from '@trireme/core'

/** What the addon needs to open a socket; each refusal is an `Error` with `op` and the errno's name in `errno`. */
export interface NativeOpenOptions {
  readonly protocol: number
  /** Path of a network namespace, `/run/netns/x` or `/proc/self/fd/7`; the socket keeps it alive. */
  readonly netns?: string | undefined
  readonly receiveBufferBytes?: number | undefined
  /** A datagram must stay 32 bytes below it (EMSGSIZE, net/netlink/af_netlink.c). */
  readonly sendBufferBytes?: number | undefined
  /** NETLINK_NO_ENOBUFS: an overrun is only counted, not an error of the socket. */
  readonly noEnobufs?: boolean | undefined
}

/** Memory of the batches. The addon keeps it referenced while it polls; it must not be transferred or resized. */
export interface NativeBatchMemory {
  /** `lengths.length` slots of `slotSize` bytes, one datagram each. */
  readonly rx: Uint8Array
  readonly slotSize: number
  /** Bytes in each slot: 0 = not of the kernel, ignore; bit 31 = cut, the slot was too small. */
  readonly lengths: Uint32Array
  /** How many batches at most before other events of the loop get their turn. */
  readonly rounds: number
}

/** A batch of `count` slots, or what was refused. Promises and ticks of it run when it has returned. */
export type NativeBatchCallback = (count: number, op?: string, errno?: string) => void

/** One netlink socket of the addon; `close` is idempotent and allowed anywhere, the rest then fails with EBADF. */
export interface NativeSocket {
  /** Sends one message and blocks until its last reply; gives every datagram read meanwhile, strays included. */
  request(message: Uint8Array, timeoutMs: number): Uint8Array[]
  start(memory: NativeBatchMemory, onBatch: NativeBatchCallback): void
  /** One sendto: the kernel has worked through every message in it when this returns. */
  send(bytes: Uint8Array, length: number): void
  /** Messages lost because the receive buffer was full. */
  drops(): number
  ref(): void
  unref(): void
  close(): void
}

export interface NativeBinding {
  open(options: NativeOpenOptions): NativeSocket
}

const file = 'trireme_netlink.node'
const roots = ['..', '../..', '../../..']
const places = [`prebuilds/linux-${process.arch}`, 'native/build/Release']

/** The compiled addon: the package's prebuild, else what `native/build.mjs` built; `TriremeError` if neither loads. */
export function loadBinding(): NativeBinding {
  const require = createRequire(import.meta.url)
  const causes: unknown[] = []
  for (const place of places) {
    for (const root of roots) {
      const path = fileURLToPath(new URL(`${root}/${place}/${file}`, import.meta.url))
      if (!existsSync(path)) continue
      try {
        return require(path) as NativeBinding
      } catch (cause) {
        causes.push(cause)
      }
    }
  }
  throw missing(causes)
}

function missing(causes: readonly unknown[]): TriremeError {
  const machine = `${process.platform}-${process.arch}`
  const found = causes.length === 0 ? 'no binary was found' : 'the binary found does not load'
  const command = 'node node_modules/@trireme/enforcer-nfq/native/build.mjs'
  const message = `@trireme/enforcer-nfq has no netlink addon for ${machine} (${found}): build it with \`${command}\``
  return new TriremeError('ERR_MISSING_CAPABILITY', message, causes.length === 0 ? {} : { cause: causes[0] })
}
