import type { Daemon } from '../harness/daemon.js'
import { runCommand } from '../harness/run-command.js'

export interface EventAnswer {
  readonly status: number
  readonly body: {
    readonly contextID?: string
    readonly error?: { readonly code?: string; readonly message: string }
  }
}

/** Sends an event as docs/control-socket.md shows, by curl. */
export async function postEvent(
  daemon: Daemon,
  event: unknown,
  { socket = daemon.socket, as = [] }: { readonly socket?: string; readonly as?: readonly string[] } = {},
): Promise<EventAnswer> {
  const curl = ['curl', '-sS', '--unix-socket', socket, 'http://localhost/v1/events']
  const body = typeof event === 'string' ? event : JSON.stringify(event)
  const argv = [...as, ...curl, '--json', '@-', '-w', '\n%{http_code}']
  const { stdout, stderr, code } = await runCommand(argv, { input: body })
  if (code !== 0) throw new Error(stderr)
  const [text, status] = stdout.trim().split(/\n+(?=\d+$)/)
  return { status: Number(status), body: JSON.parse(text!) }
}
