/** One line of `/proc/PID/mountinfo` (proc_pid_mountinfo(5)), the fields that say where a cgroup hierarchy is. */
export interface MountEntry {
  /** `major:minor` of the file system, as `stat` shows it for what is really visible at `mountPoint`. */
  readonly device: string
  /** The folder of the file system that is mounted: `/` unless it is a bind mount. */
  readonly root: string
  readonly mountPoint: string
  readonly isReadOnly: boolean
  readonly fsType: string
  readonly superOptions: readonly string[]
}

/** The mounts in the order of the file; lines that are not mounts are left out. */
export function parseMountInfo(text: string): readonly MountEntry[] {
  return text.split('\n').flatMap(line => parseLine(line) ?? [])
}

function parseLine(line: string): MountEntry | undefined {
  const fields = line.split(' ')
  const separator = fields.indexOf('-', 6)
  const [, , device, root, mountPoint, options] = fields
  const [fsType, , superOptions] = fields.slice(separator + 1)
  if (separator < 0 || !device || !root || !mountPoint || !options || !fsType) return undefined
  const allOptions = superOptions?.split(',') ?? []
  return {
    device,
    root: unescapeOctal(root),
    mountPoint: unescapeOctal(mountPoint),
    isReadOnly: options.split(',').includes('ro') || allOptions.includes('ro'),
    fsType,
    superOptions: allOptions,
  }
}

/** Space, tab, newline and backslash travel as `\040`. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}
