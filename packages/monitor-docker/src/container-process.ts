import { close, open, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { KernelError } from '@trireme/core'

const openFile = promisify(open)
const closeFile = promisify(close)

/** Tells a process from any other that has had, or will have, its number. */
export interface ProcessIdentity {
  readonly pid: number
  /** Clock ticks since boot (proc(5), field 22 of `stat`). */
  readonly startTime: string
}

/** A control group as `/proc/PID/cgroup` names it. */
export interface ProcessCgroups {
  /** In the cgroup2 hierarchy, with a leading slash; undefined where there is none. */
  readonly unified: string | undefined
  /** All paths, of every hierarchy. */
  readonly all: readonly string[]
}

/** How many processes are looked at before others get their turn. */
const SEARCH_STEP = 200

/** Processes as `/proc` shows them. Errors are `KernelError`. */
export class Processes {
  readonly #folder: string

  /** @param folder where the engine's PID namespace is mounted; `/proc`, or the host's where the daemon has a namespace of its own. */
  constructor(folder: string) {
    this.#folder = folder
  }

  /** Undefined where there is no such process, or only its exit status is left. */
  identity(pid: number): ProcessIdentity | undefined {
    const stat = this.#read(pid, 'stat')
    // The name, in parentheses, may contain anything.
    const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [state, startTime] = [fields?.[0], fields?.[19]]
    if (startTime === undefined || state === 'Z' || state === 'X') return undefined
    return { pid, startTime }
  }

  isAlive({ pid, startTime }: ProcessIdentity): boolean {
    return this.identity(pid)?.startTime === startTime
  }

  cgroups(pid: number): ProcessCgroups {
    const lines = (this.#read(pid, 'cgroup') ?? '').split('\n').filter(Boolean)
    const paths = lines.map(line => line.split(':').slice(2).join(':'))
    const unified = lines.find(line => line.startsWith('0::'))?.slice('0::'.length)
    return { unified, all: paths }
  }

  /** The network namespace's number; undefined where the process is gone. */
  namespaceID(pid: number | 'self'): bigint | undefined {
    return statSync(this.#namespacePath(pid), { bigint: true, throwIfNoEntry: false })?.ino
  }

  /** Holds the process's network namespace open: it stays, whatever becomes of the process. */
  async openNamespace(pid: number): Promise<OpenNamespace> {
    const path = this.#namespacePath(pid)
    try {
      return new OpenNamespace(await openFile(path, 'r'))
    } catch (cause) {
      const { code = 'unknown', message } = cause as NodeJS.ErrnoException
      throw new KernelError({ op: 'open network namespace', errno: code, detail: message, cause })
    }
  }

  /** Whether that process is still there, and in the network namespace of that number. */
  isInside(identity: ProcessIdentity, namespaceID: bigint): boolean {
    return this.isAlive(identity) && this.#namespaceSeen(identity.pid) === namespaceID
  }

  /**
   * A process in the network namespace of that number, whoever started it; undefined where none is seen there. A process whose namespace we
   * may not see counts as elsewhere.
   */
  async findInside(namespaceID: bigint): Promise<ProcessIdentity | undefined> {
    const pids = readdirSync(this.#folder).filter(name => /^\d+$/.test(name))
    for (const [at, pid] of pids.entries()) {
      if (at % SEARCH_STEP === SEARCH_STEP - 1) await nextTurn()
      if (this.#namespaceSeen(Number(pid)) !== namespaceID) continue
      const identity = this.identity(Number(pid))
      if (identity !== undefined) return identity
    }
    return undefined
  }

  #namespaceSeen(pid: number): bigint | undefined {
    try {
      return this.namespaceID(pid)
    } catch {
      // It has ended meanwhile, or we lack CAP_SYS_PTRACE over it.
      return undefined
    }
  }

  #namespacePath(pid: number | 'self'): string {
    return join(this.#folder, String(pid), 'ns', 'net')
  }

  #read(pid: number, file: string): string | undefined {
    try {
      return readFileSync(join(this.#folder, String(pid), file), 'utf8')
    } catch (cause) {
      const { code = 'unknown', message } = cause as NodeJS.ErrnoException
      // ESRCH: it ended between open and read.
      if (code === 'ENOENT' || code === 'ESRCH') return undefined
      throw new KernelError({ op: `read ${file} of a process`, errno: code, detail: message, cause })
    }
  }
}

/** A network namespace that this process holds open. */
export class OpenNamespace {
  #fd: number | undefined

  constructor(fd: number) {
    this.#fd = fd
  }

  /** Good for any program in our PID namespace until `close`. */
  get path(): string {
    return `/proc/${process.pid}/fd/${this.#fd}`
  }

  /** Idempotent. */
  async close(): Promise<void> {
    const fd = this.#fd
    this.#fd = undefined
    if (fd !== undefined) await closeFile(fd)
  }
}
