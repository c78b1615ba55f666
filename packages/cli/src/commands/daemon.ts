import { type Daemon, startDaemon } from '../daemon.js'
import { lineLog } from '../log.js'
import { requireRoot } from '../require-root.js'

/**
 * `trireme daemon --config FILE`: ends with 0 on SIGTERM or SIGINT, and when it was asked to uninstall itself. SIGHUP has it read
 * secrets and policy again, as `trireme reload` does; one that comes while it starts counts when it is ready.
 */
export async function daemonCommand({ config }: { readonly config: string }): Promise<number> {
  const signalled = new Promise<NodeJS.Signals>(resolve => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, resolve)
  })
  requireRoot('daemon')
  // Whoever read the log may be gone: that is no reason to stop enforcing.
  process.stderr.on('error', () => {})
  const log = lineLog(line => process.stderr.write(line))
  let daemon: Daemon | undefined
  let isDue = false
  process.on('SIGHUP', () => {
    isDue = daemon === undefined
    void daemon?.reload()
  })
  daemon = await startDaemon(config, log)
  if (isDue) void daemon.reload()
  const reason = await Promise.race([signalled, daemon.uninstalled.then(() => 'uninstall' as const)]).finally(
    () => daemon?.stop(),
  )
  log.info(reason === 'uninstall' ? 'uninstalled' : `stopped by ${reason}; processing units stay enforced`)
  return 0
}
