const BEGIN = '# trireme session: begin'
const END = '# trireme session: end'

/**
 * A PAM service (pam.d(5)) in which sessions are told of by the hook, after everything else that it does for a session. Sessions
 * that the hook refuses do not open. In place of an earlier hook.
 */
export function withSessionHook(service: string, hook: string): string {
  const plain = withoutSessionHook(service)
  const separator = plain === '' || plain.endsWith('\n') ? '' : '\n'
  // With seteuid the hook runs as root also where an ordinary user called su.
  return `${plain}${separator}${BEGIN}\nsession required pam_exec.so seteuid quiet ${hook}\n${END}\n`
}

/** The same service as it was before. */
export function withoutSessionHook(service: string): string {
  const lines = service.split('\n')
  const begin = lines.indexOf(BEGIN)
  const end = lines.indexOf(END)
  if (begin < 0 || end < begin) return service
  return [...lines.slice(0, begin), ...lines.slice(end + 1)].join('\n')
}
