import { readFile, readlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import type { Tag, Tags } from '@trireme/core'
import { FileDigests } from './file-digest.js'
import type { RunRequest } from './run-request.js'

/** What an extractor says of a process. */
export interface ProcessPU {
  readonly name: string
  readonly tags: Tags
}

/** What an extractor is asked about. */
export interface ExtractedProcess {
  readonly request: RunRequest
  /** Where the process is, as `/proc/PID/cgroup` names it: of cgroup v2, or of systemd's own hierarchy. */
  readonly cgroup: string
}

/** The identity of a process, asked before it is enforced. Rejecting refuses it. */
export type ProcessExtractor = (process: ExtractedProcess) => ProcessPU | Promise<ProcessPU>

/**
 * The request's tags, and beside them what the host vouches for, under reserved keys, which never travel: `@sys:uid`, `@sys:gid`,
 * `@sys:exe`, `@sys:sha256`, `@sys:hostname`, `@sys:cgroup` and, in a unit of systemd's, `@sys:unit`.
 */
export function factExtractor(): ProcessExtractor {
  const digests = new FileDigests()
  return async ({ request, cgroup }) => {
    const { pid, name = `process-${pid}`, tags, facts: given = [] } = request
    const unit = unitOf(cgroup)
    const facts: readonly Tag[] = [
      ...(await ownerTags(pid)),
      ...(await executableTags(request, digests)),
      { key: '@sys:hostname', value: hostname() },
      { key: '@sys:cgroup', value: cgroup },
      ...(unit === undefined ? [] : [{ key: '@sys:unit', value: unit }]),
    ]
    const isGiven = ({ key }: Tag) => given.some(each => each.key === key)
    return { name, tags: [...tags, ...given, ...facts.filter(fact => !isGiven(fact))] }
  }
}

/** The innermost service or scope of systemd's that a cgroup belongs to. */
export function unitOf(cgroup: string): string | undefined {
  return cgroup.split('/').findLast(part => /\.(service|scope)$/.test(part))
}

/** The real IDs (proc_pid_status(5)). */
async function ownerTags(pid: number): Promise<readonly Tag[]> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return (['Uid', 'Gid'] as const).flatMap(name => {
    const id = new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]
    return id === undefined ? [] : [{ key: `@sys:${name.toLowerCase()}`, value: id }]
  })
}

/** A file that cannot be read has no digest; what is enforced is the process all the same. */
async function executableTags(request: RunRequest, digests: FileDigests): Promise<readonly Tag[]> {
  const link = `/proc/${request.pid}/exe`
  const path = request.executable ?? (await readlink(link).catch(() => undefined))
  if (path === undefined) return []
  const digest = await digests.of(request.executable ?? link).catch(() => undefined)
  const sha256 = digest === undefined ? [] : [{ key: '@sys:sha256', value: digest }]
  return [{ key: '@sys:exe', value: path }, ...sha256]
}
