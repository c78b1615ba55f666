import { execFile } from 'node:child_process'
import { statSync } from 'node:fs'
import { mkdir, readFile, realpath, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { TriremeError } from '@trireme/core'
import { type CgroupMount, cgroupMountOf, chooseCgroupMount } from './cgroup-mount.js'
import { type MountEntry, parseMountInfo } from './mountinfo.js'

const execute = promisify(execFile)

/** Where every distribution mounts cgroups (file-hierarchy(7)). */
const SYSTEM_FOLDER = '/sys/fs/cgroup'

/** What may have to be mounted, in the order of preference. */
const PRIVATE_MOUNTS = [
  { name: 'cgroup2', arguments: ['-t', 'cgroup2'] },
  { name: 'net_cls', arguments: ['-t', 'cgroup', '-o', 'net_cls,net_prio'] },
  { name: 'net_cls', arguments: ['-t', 'cgroup', '-o', 'net_cls'] },
] as const

export interface CgroupMountOptions {
  /** Where a hierarchy is mounted if none is visible, as under `ip netns exec`. */
  readonly stateDir: string
  /** A folder in a mounted hierarchy to use instead of looking for one. */
  readonly cgroupRoot?: string | undefined
}

/**
 * A hierarchy that is mounted, else one mounted below the state directory; the caller closes it.
 * @throws TriremeError `ERR_MISSING_CAPABILITY` where there is none to be had.
 */
export async function openCgroupMount(options: CgroupMountOptions): Promise<CgroupMount> {
  const entries = parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8'))
  if (options.cgroupRoot !== undefined) return givenMount(entries, options.cgroupRoot)
  const below = [SYSTEM_FOLDER, options.stateDir]
  return chooseCgroupMount(entries, { below, isVisible }) ?? (await mountPrivately(options.stateDir))
}

/** Unmounts what `openCgroupMount` mounted, in this process or an earlier one; leaves everything else. */
export async function closeCgroupMount(mount: CgroupMount, stateDir: string): Promise<void> {
  const isPrivate = PRIVATE_MOUNTS.some(({ name }) => mount.folder === join(stateDir, name))
  if (!isPrivate) return
  await execute('umount', [mount.folder])
  await rmdir(mount.folder)
}

async function givenMount(entries: readonly MountEntry[], cgroupRoot: string): Promise<CgroupMount> {
  const folder = await realpath(cgroupRoot).catch(() => undefined)
  const mount = folder && cgroupMountOf(entries, folder)
  if (mount) return mount
  throw new TriremeError(
    'ERR_CONFIG',
    `cgroupRoot ${JSON.stringify(cgroupRoot)}: expected a folder in a cgroup2 or net_cls mount`,
  )
}

async function mountPrivately(stateDir: string): Promise<CgroupMount> {
  const refusals: string[] = []
  for (const { name, arguments: options } of PRIVATE_MOUNTS) {
    const folder = join(stateDir, name)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    try {
      await execute('mount', [...options, 'none', folder])
      return { version: name === 'cgroup2' ? 'v2' : 'net-cls', folder, kernelPath: '' }
    } catch (error) {
      refusals.push(refusalOf(error))
      await rmdir(folder)
    }
  }
  throw new TriremeError(
    'ERR_MISSING_CAPABILITY',
    'cgroups: no writable cgroup2 or net_cls hierarchy is mounted, and none could be: ' +
      `run as root (CAP_SYS_ADMIN) with /sys/fs/cgroup writable (${refusals.join('; ')})`,
  )
}

/** What `mount` said, without its hint to read the kernel's log. */
function refusalOf(error: unknown): string {
  const { stderr, message } = error as Error & { readonly stderr?: string }
  return (stderr || message).trim().split('\n')[0]!
}

function isVisible(entry: MountEntry): boolean {
  try {
    return deviceName(statSync(entry.mountPoint).dev) === entry.device
  } catch {
    return false
  }
}

/** `major:minor` as glibc's `makedev` packs it (sys/sysmacros.h), for majors below 4096. */
function deviceName(device: number): string {
  const major = Math.floor(device / 256) & 0xfff
  const minor = (device & 0xff) | (Math.floor(device / 4096) & 0xfff00)
  return `${major}:${minor}`
}
