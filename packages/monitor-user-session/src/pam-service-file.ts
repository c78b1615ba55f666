import { TriremeError } from '@trireme/core'
import { modulesOf, type PAMModule, type ReadService, serviceLines } from './pam-stack.js'

/** A PAM service as its file has it. */
export interface PAMService {
  readonly name: string
  readonly text: string
}

/** What PAM starts at both ends of a session. Every path is absolute. */
export interface PAMHook {
  /** The static program `SESSION_HOOK`, installed. */
  readonly program: string
  /** Node and the file of the `trireme` command. */
  readonly command: readonly [node: string, main: string]
  /** The daemon's control socket. */
  readonly socket: string
}

const BEGIN = '# trireme session: begin'
const END = '# trireme session: end'

/**
 * Modules that move the process into another cgroup when a session opens. The hook comes after them, for they would take the
 * session out of its PU.
 */
const MOVERS = ['pam_systemd', 'pam_elogind', 'pam_cgroup', 'pam_cgfs']

/**
 * A PAM service (pam.d(5)) whose sessions the hook opens and closes; it refuses them by its failure. Its line stands before all other
 * lines of type session, or right after the last one that moves the process between cgroups. In place of an earlier hook.
 * @throws TriremeError `ERR_CONFIG` where a line before the hook lets users set the PAM environment (`user_readenv`), or can pass over
 * the hook; what `read` throws.
 */
export function withSessionHook({ name, text }: PAMService, hook: PAMHook, read: ReadService): string {
  const plain = withoutSessionHook(text)
  const modules = modulesOf(name, plain, read)
  const sessions = modules.filter(({ type }) => type === 'session')
  const last = sessions.findLast(module => MOVERS.includes(module.name))?.line
  const before = modules.filter(
    ({ type, line }) => type !== 'session' || (last !== undefined && line <= last),
  )
  assertNoUserEnvironment(name, before)
  assertReached(name, before)
  const lines = plain.split('\n')
  if (lines.at(-1) === '') lines.pop()
  const at = last === undefined ? (serviceLines(plain)[0]?.first ?? lines.length) : last + 1
  const block = [BEGIN, hookLine(hook), END]
  return `${[...lines.slice(0, at), ...block, ...lines.slice(at)].join('\n')}\n`
}

/** The same service as it was before. */
export function withoutSessionHook(text: string): string {
  const lines = text.split('\n')
  const begin = lines.indexOf(BEGIN)
  const end = lines.indexOf(END, begin)
  if (begin < 0 || end < begin) return text
  return withoutSessionHook([...lines.slice(0, begin), ...lines.slice(end + 1)].join('\n'))
}

/** Whether this or an earlier version put a hook into the service. */
export function hasSessionHook(text: string): boolean {
  return withoutSessionHook(text) !== text
}

function hookLine({ program, command, socket }: PAMHook): string {
  const words = [program, ...command, socket].map(quoted)
  // With seteuid the hook runs as root also where an ordinary user called su.
  return `session required pam_exec.so seteuid quiet ${words.join(' ')}`
}

/** As pam.d(5) takes an argument. */
function quoted(path: string): string {
  if (!/^\/[^#\p{Cc}\\]*$/u.test(path)) {
    throw new TriremeError(
      'ERR_CONFIG',
      `${JSON.stringify(path)}: expected an absolute path without #, backslash and control characters`,
    )
  }
  return /[\s[\]]/.test(path) ? `[${path.replaceAll(']', '\\]')}]` : path
}

/** pam_env(8): a value other than 0 has it read the user's `~/.pam_environment` into the environment of root's programs. */
function assertNoUserEnvironment(service: string, before: readonly PAMModule[]): void {
  const isOn = (argument: string) => /^user_readenv=/i.test(argument) && !/=0+$/.test(argument)
  const culprit = before.find(({ args }) => args.some(isOn))
  if (culprit === undefined) return
  throw new TriremeError(
    'ERR_CONFIG',
    `PAM service ${service}: ${JSON.stringify(culprit.text)} in ${culprit.service} lets users set the environment before ` +
      'the hook runs as root: expected user_readenv=0, or the line after those that open the session',
  )
}

/** @throws TriremeError where a session module before the hook can end the stack with success, or jump over the hook. */
function assertReached(service: string, before: readonly PAMModule[]): void {
  const sessions = before.filter(({ type, depth }) => type === 'session' && depth === 0)
  for (const [index, { control, text, service: file }] of sessions.entries()) {
    const jumps = [...control.matchAll(/=(\d+)/g)].map(([, count]) => Number(count))
    const canEnd = control === 'sufficient' || /=done\b/.test(control)
    if (!canEnd && jumps.every(count => index + count < sessions.length)) continue
    throw new TriremeError(
      'ERR_CONFIG',
      `PAM service ${service}: ${JSON.stringify(text)} in ${file} can pass over the hook: expected no sufficient, no done ` +
        'and no such jump before the last module that moves sessions between cgroups',
    )
  }
}
