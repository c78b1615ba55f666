import { TriremeError } from '@trireme/core'

/** The text of a PAM service by its name, or by its path where it begins with a slash. Throws where there is none. */
export type ReadService = (name: string) => string

/** One module of a stack, includes followed. */
export interface PAMModule {
  readonly type: string
  /** `required`, or `success=ok default=bad`. */
  readonly control: string
  /** Without folder and `.so`: `pam_env`. */
  readonly name: string
  readonly args: readonly string[]
  /** As the file has it, for messages. */
  readonly text: string
  /** The service whose file holds the line. */
  readonly service: string
  /** Index of the top-level service's line that brings this module. */
  readonly line: number
  /** How many substacks it lies in. Its `done` and its jumps end there. */
  readonly depth: number
}

/** A line of pam.d(5), continuations joined. */
interface ServiceLine {
  /** Index of its first physical line. */
  readonly first: number
  /** Index of its last physical line. */
  readonly last: number
  readonly words: readonly string[]
  readonly text: string
}

/** Linux-PAM's own limit is 16 substacks (`PAM_SUBSTACK_MAX_LEVEL`, libpam/pam_private.h). */
const MAX_DEPTH = 16
const MAX_LINES = 4096

/**
 * The modules of all types that a service runs, in order, with `@include`, `include` and `substack` followed.
 * @throws TriremeError `ERR_CONFIG` for includes that lead in a circle or are too many; what `read` throws.
 */
export function modulesOf(service: string, text: string, read: ReadService): readonly PAMModule[] {
  const modules: PAMModule[] = []
  let lines = 0
  const visit = (from: Visit): void => {
    for (const each of serviceLines(from.text)) {
      lines++
      if (from.level > MAX_DEPTH || lines > MAX_LINES) {
        throw new TriremeError(
          'ERR_CONFIG',
          `PAM service ${service}: more than ${MAX_DEPTH} includes in each other, or ${MAX_LINES} lines: expected fewer`,
        )
      }
      const line = from.line ?? each.last
      const [first = '', control = '', path = '', ...args] = each.words
      const type = first.replace(/^-/, '').toLowerCase()
      const isBare = type === '@include'
      if (!isBare && from.type !== undefined && type !== from.type) continue
      if (isBare || control === 'include' || control === 'substack') {
        const target = isBare ? control : path
        visit({
          ...{ service: target, text: read(target), line, level: from.level + 1 },
          type: isBare ? from.type : type,
          depth: from.depth + (control === 'substack' ? 1 : 0),
        })
        continue
      }
      const name = path.replace(/^.*\//, '').replace(/\.so$/, '')
      const place = { text: each.text, service: from.service, line, depth: from.depth }
      modules.push({ type, control: control.toLowerCase(), name, args, ...place })
    }
  }
  visit({ service, text, line: undefined, level: 0, type: undefined, depth: 0 })
  return modules
}

interface Visit {
  readonly service: string
  readonly text: string
  /** Undefined at the top level, whose lines count. */
  readonly line: number | undefined
  readonly level: number
  /** The only type that is wanted, or undefined for all. */
  readonly type: string | undefined
  readonly depth: number
}

/** The lines of a service that say something. `#` ends a line; a backslash before the end continues it. */
export function serviceLines(text: string): readonly ServiceLine[] {
  const lines: ServiceLine[] = []
  let open: { readonly first: number; text: string } | undefined
  for (const [index, physical] of text.split('\n').entries()) {
    const [said = ''] = physical.split('#', 1)
    const isContinued = said === physical && /\\\s*$/.test(said)
    const joined = `${open?.text ?? ''} ${said.replace(/\\\s*$/, '')}`
    const first = open?.first ?? index
    open = isContinued ? { first, text: joined } : undefined
    if (isContinued || joined.trim() === '') continue
    lines.push({ first, last: index, words: wordsOf(joined), text: joined.trim().replace(/\s+/g, ' ') })
  }
  return lines
}

/** Words between blanks; `[…]` is one word, in which `\]` is a bracket. */
function wordsOf(line: string): readonly string[] {
  return [...line.matchAll(/\[((?:\\\]|[^\]])*)\]|(\S+)/g)].map(
    ([, bracketed, plain]) => bracketed?.replaceAll('\\]', ']').trim() ?? plain!,
  )
}
