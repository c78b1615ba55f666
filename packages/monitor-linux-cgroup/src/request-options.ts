import { type PUCaller, type PURequest, TriremeError } from '@trireme/core'
import { RUN_SCOPES, type RunRequest, type RunScope } from './run-request.js'

/** What a `PURequest` for a Linux process may say in its options. */
const KNOWN = ['networkOnly', 'executable', 'scope', 'keepConnections']

/** Below it only root may listen (ip(7), `ip_unprivileged_port_start`), whatever a host allows beside that. */
const FIRST_UNPRIVILEGED_PORT = 1024

/**
 * Whoever declares a port takes what arrives there, also from a program of somebody else that listens on it and is no PU.
 * @throws TriremeError `ERR_NOT_PERMITTED` for a port of root's, unless the caller is root.
 */
export function assertMayDeclare({ ports }: Pick<PURequest, 'ports'>, caller: PUCaller): void {
  const range = caller.uid === 0 ? undefined : ports.find(({ first }) => first < FIRST_UNPRIVILEGED_PORT)
  if (!range) return
  throw new TriremeError(
    'ERR_NOT_PERMITTED',
    `port ${range.first}: only root may declare ports below ${FIRST_UNPRIVILEGED_PORT}`,
  )
}

/**
 * The run request for which an outside program's request stands. Only root may name what it does not own: the file that is going
 * to be executed, processes beside the one named, and ports of root's.
 * @throws RangeError, TypeError or TriremeError `ERR_NOT_PERMITTED`.
 */
export function runRequestOf(request: PURequest, caller: PUCaller): RunRequest {
  const { pid, name, tags, ports, aliases = [], discoverPorts = false, options } = request
  if (pid === undefined) throw new TypeError('pid: missing, expected the number of a process')
  assertMayDeclare(request, caller)
  const { executable } = options
  const scope = scopeOf(options)
  if (caller.uid !== 0 && (scope !== 'process' || executable !== undefined)) {
    throw new TriremeError('ERR_NOT_PERMITTED', 'options scope and executable: only root may use them')
  }
  return {
    ...{ pid, tags, ports, aliases, discoverPorts, scope, owner: caller.uid },
    ...(name === undefined ? {} : { name }),
    ...(executable === undefined ? {} : { executable }),
    networkOnly: flagOf(options, 'networkOnly'),
    keepConnections: flagOf(options, 'keepConnections'),
  }
}

function scopeOf(options: PURequest['options']): RunScope {
  for (const key of Object.keys(options)) {
    if (!KNOWN.includes(key)) throw new TypeError(`option ${key}: expected one of ${KNOWN.join(', ')}`)
  }
  const { scope = 'process' } = options
  const known = RUN_SCOPES.find(each => each === scope)
  if (known) return known
  throw new RangeError(`option scope: ${JSON.stringify(scope)}, expected one of ${RUN_SCOPES.join(', ')}`)
}

function flagOf(options: PURequest['options'], key: string): boolean {
  const value = options[key] ?? 'false'
  if (value === 'true' || value === 'false') return value === 'true'
  throw new RangeError(`option ${key}: ${JSON.stringify(value)}, expected true or false`)
}
