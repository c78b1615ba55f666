/**
 * Monitor for processing units that other programs name: JSON over a unix socket, for any language.
 *
 * ```ts
 * import { rpcMonitor } from '@trireme/monitor-rpc'
 *
 * const monitor = rpcMonitor({ sockets: [{ path: '/run/my-daemon.sock' }] })({
 *   processors: { 'linux-process': linuxMonitor, vm: myOwnProcessor },
 * })
 * await monitor.start()
 * ```
 */
export { eventRoutes } from './event-routes.js'
export { HTTPProblem } from './http-problem.js'
export {
  answer,
  type Exchange,
  jsonServer,
  type Route,
  type Routes,
  type ServerLimits,
} from './json-server.js'
export { type EventBody, parseRequest } from './parse-request.js'
export { MAX_BODY_BYTES, readJSON } from './read-json.js'
export { RequestProcessors } from './request-processors.js'
export {
  type RPCMonitorComponents,
  type RPCMonitorOptions,
  type RPCSocket,
  rpcMonitor,
} from './rpc-monitor.js'
export {
  type ListenerOptions,
  listenOnUnixSocket,
  removeStaleSocket,
  type UnixListener,
} from './unix-listener.js'
