import { realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { CommandFailure, EXIT } from './failure.js'

const WRITABLE_BY_OTHERS = 0o022
const STICKY = 0o1000

/**
 * Passes a file that root alone can change or replace: neither it nor a folder above it, links followed, belongs to another user or is
 * writable by another user or group. A sticky folder, as /tmp is, may be writable: nobody replaces another user's file there.
 * @param name what it is, for the message.
 * @throws CommandFailure naming what is open to others.
 */
export async function assertRootOnly(name: string, path: string): Promise<void> {
  const file = await realpath(path)
  for (let place = file; ; place = dirname(place)) {
    const { uid, gid, mode } = await stat(place)
    const isSticky = place !== file && (mode & STICKY) !== 0
    const open = mode & WRITABLE_BY_OTHERS & (gid === 0 ? ~0o020 : ~0)
    if (uid !== 0 || (open !== 0 && !isSticky)) {
      const found = `owner ${uid}, group ${gid}, mode ${(mode & 0o7777).toString(8)}`
      throw new CommandFailure(
        EXIT.badInput,
        `${name} ${path}: ${place} has ${found}: expected root as owner and no other user who may write, for root runs it`,
      )
    }
    if (place === '/') return
  }
}
