/** What the hook calls. */
export interface PAMHook {
  /** The program and its arguments before `session open`; absolute, for PAM gives no PATH. */
  readonly command: readonly string[]
  /** The daemon's control socket. */
  readonly socket: string
}

/** The script that pam_exec(8) runs at both ends of a session: its failure refuses the session. */
export function pamHookScript({ command, socket }: PAMHook): string {
  return `#!/bin/sh
# Tells the trireme daemon of login sessions. Written and removed by \`trireme session install\` and \`remove\`.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
case $PAM_TYPE in
  open_session) word=open ;;
  close_session) word=close ;;
  *) exit 0 ;;
esac
exec ${command.map(quoted).join(' ')} session "$word" --socket ${quoted(socket)}
`
}

/** For the shell, whatever it holds. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
