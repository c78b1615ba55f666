/**
 * Monitor for login sessions: PAM tells of them, and each is a processing unit with its user, his groups and the service as tags.
 *
 * ```ts
 * import { userSessionMonitor } from '@trireme/monitor-user-session'
 *
 * const sessions = userSessionMonitor({ stateDir: '/var/lib/my-daemon' })({ handler: trireme, processes: linuxMonitor })
 * await sessions.start()
 * await sessions.handleRequest(
 *   { event: 'start', type: 'user-session', pid, tags: [], ports: [], options: { user: 'alice', service: 'sshd' } },
 *   { uid: 0 },
 * )
 * ```
 */
export {
  hasSessionHook,
  type PAMHook,
  type PAMService,
  withoutSessionHook,
  withSessionHook,
} from './pam-service-file.js'
export type { ReadService } from './pam-stack.js'
export type { SessionExtractor, UserSession } from './session-extractor.js'
export { sessionTags } from './session-extractor.js'
export { SESSION_HOOK } from './session-hook.js'
export {
  type SessionProblem,
  type SessionProcesses,
  type UserSessionMonitor,
  type UserSessionMonitorComponents,
  type UserSessionMonitorOptions,
  userSessionMonitor,
} from './user-session-monitor.js'
