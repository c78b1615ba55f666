import { startDaemon } from '../daemon.js'
import { messageOf } from '../failure.js'
import { lineLog } from '../log.js'
import { requireRoot } from '../require-root.js'

/**
 * `trireme daemon --config FILE`: ends with 0 on SIGTERM or SIGINT, and when it was asked to uninstall itself. SIGHUP has it read
 * the secrets again, as `trireme keys rotate` does.
 */
export async function daemonCommand({ config }: { readonly config: string }): Promise<number> {
  const signalled = new Promise<NodeJS.Signals>(resolve => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, resolve)
  })
  requireRoot('daemon')
  // Whoever read the log may be gone: that is no reason to stop enforcing.
  process.stderr.on('error', () => {})
  const log = lineLog(line => process.stderr.write(line))
  const daemon = await startDaemon(config, log)
  const onHangUp = () => {
    daemon.rotate().catch(error => log.error(`SIGHUP: the secrets stay as they are: ${messageOf(error)}`))
  }
  process.on('SIGHUP', onHangUp)
  const reason = await Promise.race([signalled, daemon.uninstalled.then(() => 'uninstall' as const)]).finally(
    () => daemon.stop(),
  )
  log.info(reason === 'uninstall' ? 'uninstalled' : `stopped by ${reason}; processing units stay enforced`)
  return 0
}
