import { createHash } from 'node:crypto'

/** The name of the cgroup folder that holds an instance's PUs: `trireme-NAME`, made safe where NAME is no plain word. */
export function cgroupFolderName(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name)) return `trireme-${name}`
  const word = name.replace(/[^A-Za-z0-9_-]+/g, '-').slice(0, 40)
  return `trireme-${word}-${createHash('sha256').update(name).digest('hex').slice(0, 8)}`
}
