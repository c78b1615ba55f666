import type { Tags } from '@trireme/core'

/** A login session, as PAM and the system's databases describe it. */
export interface UserSession {
  readonly user: string
  readonly uid: number
  /** All of the user's, by name. */
  readonly groups: readonly string[]
  /** PAM's name of what let him in: `sshd`, `su`. */
  readonly service: string
  /** Where he sits: `pts/3`. */
  readonly tty?: string
  /** Where he came from. */
  readonly remoteHost?: string
}

/** The tags of a session. Rejecting refuses it. */
export type SessionExtractor = (session: UserSession) => Tags | Promise<Tags>

/** `user`, `group` for each group, and `service`, which travel; and under reserved keys what only this host's policy sees. */
export function sessionTags({ user, uid, groups, service, tty, remoteHost }: UserSession): Tags {
  return [
    { key: 'user', value: user },
    ...groups.map(value => ({ key: 'group', value })),
    { key: 'service', value: service },
    { key: '@sys:uid', value: String(uid) },
    ...(tty === undefined ? [] : [{ key: '@sys:tty', value: tty }]),
    ...(remoteHost === undefined ? [] : [{ key: '@sys:rhost', value: remoteHost }]),
  ]
}
