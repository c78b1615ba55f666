import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { CommandFailure, EXIT } from './failure.js'

const execute = promisify(execFile)

/** A user as the system's databases know him (passwd(5)). */
export interface UserAccount {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
  readonly shell: string
}

/**
 * The account of this name or number, from whatever databases the system uses.
 * @throws CommandFailure where there is none.
 */
export async function userAccount(user: string): Promise<UserAccount> {
  const { stdout } = await execute('getent', ['passwd', '--', user]).catch(() => ({ stdout: '' }))
  const [name, , uid, gid, , home, shell] = stdout.trim().split(':')
  if (!name || !uid || !gid)
    throw new CommandFailure(EXIT.badInput, `user ${JSON.stringify(user)}: no such user`)
  return { name, uid: Number(uid), gid: Number(gid), home: home || '/', shell: shell || '/bin/sh' }
}
