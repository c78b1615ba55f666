import { linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Processes } from './container-process.js'

export interface FakeProcess {
  readonly pid: number
  readonly containerID: string
  /** A process of the same namespace. Default: a namespace of its own. */
  readonly inNamespaceOf?: number | 'self'
  readonly startTime?: number
}

/** A folder that looks like `/proc`, for processes that do not exist. */
export class ProcFixture {
  readonly #folder = mkdtempSync(join(tmpdir(), 'proc-'))
  readonly processes = new Processes(this.#folder)
  readonly #namespaces = new Map<number | 'self', string>()

  constructor() {
    this.#putNamespace('self')
  }

  get folder(): string {
    return this.#folder
  }

  begin({ pid, containerID, inNamespaceOf, startTime = pid * 7 }: FakeProcess): number {
    const folder = join(this.#folder, String(pid))
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'stat'), `${pid} (a ) name) S ${'0 '.repeat(18)}${startTime} 0`)
    writeFileSync(join(folder, 'cgroup'), `3:cpu:/docker/${containerID}\n0::/docker/${containerID}\n`)
    this.#putNamespace(pid, inNamespaceOf === undefined ? undefined : this.#namespaces.get(inNamespaceOf))
    return pid
  }

  end(pid: number): void {
    rmSync(join(this.#folder, String(pid)), { recursive: true })
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true })
  }

  /** Hard links are one file, as processes of one namespace show one. */
  #putNamespace(pid: number | 'self', shared?: string): void {
    const folder = join(this.#folder, String(pid), 'ns')
    mkdirSync(folder, { recursive: true })
    const path = join(folder, 'net')
    if (shared === undefined) writeFileSync(path, '')
    else linkSync(shared, path)
    this.#namespaces.set(pid, path)
  }
}
