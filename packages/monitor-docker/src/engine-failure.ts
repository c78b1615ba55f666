import { KernelError } from '@trireme/core'

interface ModemFailure {
  readonly message: string
  readonly code?: string
  readonly name?: string
  readonly statusCode?: number
  readonly json?: { readonly message?: unknown }
}

const HINTS: Readonly<Record<string, string>> = {
  ENOENT: 'no such socket: is Docker running, and is this its address?',
  ECONNREFUSED: 'nobody listens there: is Docker running?',
  EACCES: 'no permission: run as root or as a member of the group docker',
  ABORT_ERR: 'it did not answer in time',
}

/** What a request to the engine failed with. Errno is the system's, or `HTTP 500` where the engine itself refused. */
export function engineFailure(op: string, where: string, cause: unknown): KernelError {
  const { code, name, statusCode, json, message } = cause as ModemFailure
  if (statusCode !== undefined) {
    const said = typeof json?.message === 'string' ? json.message : message
    return new KernelError({ op, errno: `HTTP ${statusCode}`, detail: said.trim(), cause })
  }
  const errno = code ?? name ?? 'unknown'
  const detail = `${where}: ${HINTS[errno] ?? message}`
  return new KernelError({ op, errno, detail, cause })
}
