import { CommandFailure, EXIT } from './failure.js'

/** @throws CommandFailure unless this process is root, in its user namespace at least. */
export function requireRoot(command: string): void {
  if (process.geteuid?.() === 0) return
  throw new CommandFailure(
    EXIT.environment,
    `trireme ${command} needs root (CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN): run it with sudo`,
  )
}
