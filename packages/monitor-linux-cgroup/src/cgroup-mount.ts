import type { MountEntry } from './mountinfo.js'

/** A writable folder of a cgroup hierarchy that the firewall can match. */
export interface CgroupMount {
  readonly version: 'v2' | 'net-cls'
  readonly folder: string
  /** `folder` as the kernel names it, without a trailing slash: empty for the root of the hierarchy. */
  readonly kernelPath: string
}

/** What decides which mounts are used. */
export interface MountChoice {
  /** Mounts elsewhere are other programs', which may unmount them at any time. */
  readonly below: readonly string[]
  /** Whether an entry's mount point still shows that mount, for another may lie over it. */
  readonly isVisible: (entry: MountEntry) => boolean
}

/** The hierarchy to use among the mounts that exist: cgroup v2, or v1's net_cls where v2 is not mounted. */
export function chooseCgroupMount(
  entries: readonly MountEntry[],
  { below, isVisible }: MountChoice,
): CgroupMount | undefined {
  const mounts = entries
    .filter(entry => below.some(folder => isWithin(entry.mountPoint, folder)))
    .filter(entry => !entry.isReadOnly && versionOf(entry) && isVisible(entry))
    .flatMap(entry => asCgroupMount(entry, entry.mountPoint) ?? [])
    .sort((a, b) => a.kernelPath.length - b.kernelPath.length)
  return mounts.find(mount => mount.version === 'v2') ?? mounts.find(mount => mount.version === 'net-cls')
}

/** The hierarchy of a given folder, or undefined where it lies in none that the firewall can match. */
export function cgroupMountOf(entries: readonly MountEntry[], folder: string): CgroupMount | undefined {
  const covering = entries
    .filter(entry => isWithin(folder, entry.mountPoint))
    .sort((a, b) => a.mountPoint.length - b.mountPoint.length)
    .at(-1)
  return covering && asCgroupMount(covering, folder)
}

function asCgroupMount(entry: MountEntry, folder: string): CgroupMount | undefined {
  const version = versionOf(entry)
  // A root of `/..` lies outside our cgroup namespace: the firewall could not name it.
  if (!version || entry.root.startsWith('/..')) return undefined
  const below = folder.slice(entry.mountPoint.length)
  return { version, folder, kernelPath: `${entry.root}/${below}`.replace(/\/+/g, '/').replace(/\/$/, '') }
}

function versionOf(entry: MountEntry): CgroupMount['version'] | undefined {
  if (entry.fsType === 'cgroup2') return 'v2'
  return entry.fsType === 'cgroup' && entry.superOptions.includes('net_cls') ? 'net-cls' : undefined
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`)
}
