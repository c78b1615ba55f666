import { randomInt } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Isolation, KernelError, TriremeError } from '@trireme/core'
import type { CgroupMount } from './cgroup-mount.js'

/** Rounds of moving processes away before a fork bomb is given up on. */
const MAX_EVACUATION_ROUNDS = 50
const MAX_RMDIR_ATTEMPTS = 20

/** The cgroups of one monitor's PUs: a folder of the monitor's own with one cgroup per context ID. */
export class PUCgroups {
  readonly mount: CgroupMount
  readonly #folder: string
  readonly #kernelFolder: string
  /** Cgroups that are not ours, by the PUs that they are. */
  readonly #borrowed = new Map<string, string>()

  constructor(mount: CgroupMount, folderName: string) {
    this.mount = mount
    this.#folder = join(mount.folder, folderName)
    this.#kernelFolder = `${mount.kernelPath}/${folderName}`
  }

  /**
   * Makes the folder of all PUs.
   * @throws TriremeError `ERR_MISSING_CAPABILITY` where this process may make no cgroups.
   */
  async open(): Promise<void> {
    try {
      await mkdir(this.#folder, { recursive: true })
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code
      throw new TriremeError(
        'ERR_MISSING_CAPABILITY',
        `cgroups: ${this.mount.folder} is not writable (${reason}): run as root, in a container with the cgroups mounted read-write`,
        { cause: error },
      )
    }
  }

  /**
   * The PU is all of a cgroup that is not ours: nothing is made, moved or removed.
   * @throws TriremeError `ERR_UNSUPPORTED_KIND` where its path cannot be matched or is not visible here.
   */
  borrow(contextID: string, kernelPath: string): void {
    if (this.mount.version === 'v2' && this.#reaches(kernelPath)) {
      this.#borrowed.set(contextID, kernelPath)
      return
    }
    const why =
      this.mount.version === 'v2' ? `not below ${this.mount.kernelPath || '/'}` : 'no cgroup v2 here'
    throw new TriremeError(
      'ERR_UNSUPPORTED_KIND',
      `cgroup ${kernelPath}: expected one of cgroup v2 other than its root, which the firewall can match (${why})`,
    )
  }

  /** The PU's cgroup as `/proc/PID/cgroup` names it. */
  kernelPath(contextID: string): string {
    return this.#borrowed.get(contextID) ?? `${this.#kernelFolder}/${contextID}`
  }

  /** The file whose change tells that the cgroup may have become empty; v1 has none. */
  eventsFile(contextID: string): string | undefined {
    return this.mount.version === 'v2' ? join(this.#folderOf(contextID), 'cgroup.events') : undefined
  }

  /** How the firewall is going to recognize the packets of a PU whose cgroup is yet to be made. */
  async allot(contextID: string): Promise<Isolation> {
    if (this.mount.version === 'v2') {
      return { by: 'cgroup-path', path: this.kernelPath(contextID).slice(1) }
    }
    const taken = await this.#classIDs(this.mount.folder)
    let classID = randomClassID()
    while (taken.has(classID)) classID = randomClassID()
    return { by: 'net-cls', classID }
  }

  /** Makes an empty cgroup with the isolation allotted. */
  async create(contextID: string, isolation: Isolation): Promise<void> {
    if (this.#borrowed.has(contextID)) return
    const folder = this.#folderOf(contextID)
    await refusable('mkdir', () => mkdir(folder))
    if (isolation.by !== 'net-cls') return
    const file = join(folder, 'net_cls.classid')
    await refusable('net_cls.classid', () => writeFile(file, String(isolation.classID)))
  }

  /** How the firewall recognizes the packets of a PU whose cgroup exists. */
  async isolation(contextID: string): Promise<Isolation> {
    if (this.mount.version === 'v2') return this.allot(contextID)
    return { by: 'net-cls', classID: await readClassID(this.#folderOf(contextID)) }
  }

  /** Moves a process, with all its threads, into the PU's cgroup. */
  async enter(contextID: string, pid: number): Promise<void> {
    if (this.#borrowed.has(contextID)) return
    await moveInto(this.#folderOf(contextID), pid)
  }

  /**
   * Whether a process lives in the PU's cgroup or in one below it. One that is not ours counts as long as it is there: systemd
   * leaves a unit's empty between its control command and its main process.
   */
  async isPopulated(contextID: string): Promise<boolean> {
    const folder = this.#folderOf(contextID)
    if (this.#borrowed.has(contextID)) return existsSync(folder)
    try {
      if (this.mount.version === 'net-cls') return (await processesOf(folder)).length > 0
      return /^populated 1$/m.test(await readFile(join(folder, 'cgroup.events'), 'utf8'))
    } catch (error) {
      if (isMissing(error)) return false
      throw error
    }
  }

  /** Moves the PU's processes to the cgroup of that kernel path, or out to where the PUs' folder lies. */
  async evacuate(contextID: string, target: string): Promise<void> {
    if (this.#borrowed.has(contextID)) return
    const folder = this.#folderOf(contextID)
    for (let round = 0; round < MAX_EVACUATION_ROUNDS; round++) {
      const processes = await processesOf(folder)
      if (processes.length === 0) return
      for (const pid of processes) await this.#moveOut(pid, target)
    }
    throw new KernelError({ op: 'cgroup.procs', errno: 'EBUSY', detail: `${folder} keeps forking` })
  }

  /** Removes the PU's cgroup with those below it. Idempotent; refused while a process lives there. */
  async remove(contextID: string): Promise<void> {
    if (this.#borrowed.delete(contextID)) return
    await removeTree(this.#folderOf(contextID))
  }

  /** The processes in the PU's cgroup and in those below it. */
  async processes(contextID: string): Promise<readonly number[]> {
    return processesOf(this.#folderOf(contextID))
  }

  /** Moves one process of the PU to the cgroup of that kernel path, or out to where the PUs' folder lies. */
  async release(pid: number, target: string): Promise<void> {
    await this.#moveOut(pid, target)
  }

  /** Context IDs that have a cgroup of their own. */
  async list(): Promise<readonly string[]> {
    return subfolders(this.#folder)
  }

  /** Removes the folder of all PUs if no PU has a cgroup any more. */
  async close(): Promise<void> {
    if ((await this.list()).length === 0) await removeTree(this.#folder)
  }

  /** Whether a cgroup lies below the root that we see. */
  #reaches(kernelPath: string): boolean {
    const below = kernelPath.slice(this.mount.kernelPath.length)
    return (
      kernelPath.startsWith(`${this.mount.kernelPath}/`) && below !== '/' && !below.split('/').includes('..')
    )
  }

  #folderOf(contextID: string): string {
    const borrowed = this.#borrowed.get(contextID)
    if (borrowed === undefined) return join(this.#folder, contextID)
    return join(this.mount.folder, borrowed.slice(this.mount.kernelPath.length))
  }

  async #moveOut(pid: number, target: string): Promise<void> {
    const { folder, kernelPath } = this.mount
    try {
      await moveInto(this.#reaches(target) ? join(folder, target.slice(kernelPath.length)) : folder, pid)
    } catch (error) {
      if (error instanceof KernelError && error.errno === 'ESRCH') return
      // Where the process came from is gone, or takes none any more.
      await moveInto(folder, pid)
    }
  }

  async #classIDs(folder: string): Promise<Set<number>> {
    const found = new Set([await readClassID(folder)])
    for (const name of await subfolders(folder)) {
      for (const classID of await this.#classIDs(join(folder, name))) found.add(classID)
    }
    return found
  }
}

async function moveInto(folder: string, pid: number): Promise<void> {
  await refusable('cgroup.procs', () => writeFile(join(folder, 'cgroup.procs'), String(pid)))
}

async function processesOf(folder: string): Promise<readonly number[]> {
  const text = await readFile(join(folder, 'cgroup.procs'), 'utf8').catch(whenMissing(''))
  const below = await Promise.all((await subfolders(folder)).map(name => processesOf(join(folder, name))))
  return [...text.split('\n').filter(Boolean).map(Number), ...below.flat()]
}

async function subfolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(whenMissing([]))
  return entries.filter(entry => entry.isDirectory()).map(entry => entry.name)
}

async function removeTree(folder: string): Promise<void> {
  for (const name of await subfolders(folder)) await removeTree(join(folder, name))
  for (let attempt = 1; ; attempt++) {
    const error = await rmdir(folder).then(
      () => undefined,
      (reason: NodeJS.ErrnoException) => reason,
    )
    if (!error || isMissing(error)) return
    // v1 refuses for a moment after the last process has ended.
    if (error.code !== 'EBUSY' || attempt === MAX_RMDIR_ATTEMPTS) throw kernelError('rmdir', error)
    await new Promise(resolve => setTimeout(resolve, 5 * attempt))
  }
}

/** A class ID as tc writes it, `major:minor`, neither part zero (linux/pkt_sched.h). */
function randomClassID(): number {
  return randomInt(1, 0xffff) * 0x10000 + randomInt(1, 0xffff)
}

async function readClassID(folder: string): Promise<number> {
  const text = await readFile(join(folder, 'net_cls.classid'), 'utf8').catch(whenMissing('0'))
  return Number(text.trim())
}

async function refusable(op: string, action: () => Promise<unknown>): Promise<void> {
  try {
    await action()
  } catch (error) {
    throw kernelError(op, error as NodeJS.ErrnoException)
  }
}

function kernelError(op: string, error: NodeJS.ErrnoException): KernelError {
  return new KernelError({ op, errno: error.code ?? 'unknown', detail: error.message, cause: error })
}

function whenMissing<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return error => {
    if (isMissing(error)) return value
    throw error
  }
}

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOENT' || code === 'ENODEV'
}
