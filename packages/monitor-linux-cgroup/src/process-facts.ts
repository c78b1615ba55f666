import { readFile, readlink } from 'node:fs/promises'
import type { CgroupMount } from './cgroup-mount.js'

/** A hierarchy that the firewall can match, or that of systemd's own where it keeps one beside cgroup v2. */
export type Hierarchy = CgroupMount['version'] | 'systemd'

const CONTROLLERS = { 'net-cls': 'net_cls', systemd: 'name=systemd' } as const

/** What tells a process from a later one with the same number, and where it lives. */
export interface ProcessFacts {
  /** Clock ticks since boot (proc_pid_stat(5), field 22). */
  readonly startTime: string
  /** The network namespace, as `net:[4026531840]`. */
  readonly networkNamespace: string
}

/** The facts of a live process, or undefined where there is none: a zombie is none. */
export async function readProcessFacts(pid: number | 'self'): Promise<ProcessFacts | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The command's name, in parentheses, may contain anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined
    return { startTime: fields[19]!, networkNamespace: await readlink(`/proc/${pid}/ns/net`) }
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}

/** The process's cgroup in the hierarchy, as the kernel names it (`/` for its root); undefined where the process is gone. */
export async function readCgroupOf(pid: number, version: Hierarchy): Promise<string | undefined> {
  try {
    return findCgroup(await readFile(`/proc/${pid}/cgroup`, 'utf8'), version)
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}

/** The hierarchy's line in the text of `/proc/PID/cgroup` (cgroups(7)): `ID:CONTROLLERS:PATH`. */
export function findCgroup(text: string, version: Hierarchy): string | undefined {
  for (const line of text.split('\n')) {
    const [id, controllers, ...path] = line.split(':')
    const isMeant = version === 'v2' ? id === '0' : controllers?.split(',').includes(CONTROLLERS[version])
    if (isMeant) return path.join(':')
  }
  return undefined
}

function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOENT' || code === 'ESRCH'
}
