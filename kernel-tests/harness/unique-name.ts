import process from 'node:process'

const PREFIX = 'trt'
let last = 0

/** A name that no other process and no other call on this machine has: `trt-<pid>-<n>-<what>`. */
export function uniqueName(what: string): string {
  last += 1
  return `${PREFIX}-${process.pid}-${last}-${what}`
}

/** Whether the name was made by `uniqueName` in a process that is no more, so that what bears it may be cleared away. */
export function isLeftover(name: string): boolean {
  const pid = name.match(new RegExp(`^${PREFIX}-(\\d+)-`))?.[1]
  return pid !== undefined && !isAlive(Number(pid))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
