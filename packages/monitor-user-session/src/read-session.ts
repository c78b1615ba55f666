import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { type PURequest, TriremeError } from '@trireme/core'
import type { UserSession } from './session-extractor.js'

const execute = promisify(execFile)

/** Names as useradd(8) takes them, and as directories such as LDAP have them: nothing that a program could take for an option. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.@\\-]*\$?$/

/**
 * The session that a request tells of, with the user's ID and groups as the system's databases have them.
 * @throws TypeError, TriremeError `ERR_PU_UNKNOWN` for a user whom these do not know.
 */
export async function readSession({ options }: PURequest): Promise<UserSession> {
  const { user = '', service = '', tty, remoteHost } = options
  if (!NAME.test(user)) throw new TypeError(`option user: ${JSON.stringify(user)}, expected a user's name`)
  if (!NAME.test(service)) {
    throw new TypeError(`option service: ${JSON.stringify(service)}, expected the name of a PAM service`)
  }
  const uid = Number(await id(['-u', '--', user], user))
  const groups = (await id(['-Gn', '--', user], user)).trim().split(' ')
  return {
    ...{ user, uid, groups, service },
    ...(tty ? { tty } : {}),
    ...(remoteHost ? { remoteHost } : {}),
  }
}

async function id(args: readonly string[], user: string): Promise<string> {
  try {
    return (await execute('id', args)).stdout
  } catch (cause) {
    throw new TriremeError('ERR_PU_UNKNOWN', `user ${JSON.stringify(user)}: no such user`, { cause })
  }
}
