import { TriremeError } from '@trireme/core'
import { type Document, isNode, LineCounter, parseDocument, visit } from 'yaml'
import type { z } from 'zod'
import { isMapping } from './mapping.js'
import { formatPath, offsetOf, type Path, pathAt } from './yaml-path.js'

/** A YAML text and what it has to be. */
export interface YAMLSource<Data> {
  readonly text: string
  /** By this name the file appears in errors. */
  readonly fileName: string
  /**
   * Every scalar reaches it as its text, as written: `8080`, `true` and `1.10` are strings. Only `null`, `~` and a value
   * left out are null. Its messages say what was expected: they follow the word `expected`.
   */
  readonly schema: z.ZodType<Data>
  readonly code: 'ERR_POLICY' | 'ERR_CONFIG'
  /** Keys of the outermost map under which a value may be a secret that an error must not show. */
  readonly secretKeys?: readonly string[]
}

const MAX_SHOWN_LENGTH = 100
/** Nobody reads more, and each is looked for in the text. */
const MAX_COMPLAINTS = 100

/**
 * The data of a YAML 1.2 text, checked.
 * @throws TriremeError with the given code: a line for every flaw, each with file, line, key path, value and what was expected.
 */
export function parseYAML<Data>(source: YAMLSource<Data>): Data {
  const lines = new LineCounter()
  const document = parseDocument(source.text, {
    schema: 'failsafe',
    customTags: ['null'],
    stringKeys: true,
    prettyErrors: false,
    lineCounter: lines,
    logLevel: 'error',
  })
  const place = (offset: number, path: Path) =>
    [`${source.fileName}:${lines.linePos(offset).line}`, ...formatPath(path)].join(': ')

  const flaw = document.errors[0] ?? document.warnings[0]
  if (flaw) {
    const [offset] = flaw.pos
    throw new TriremeError(
      source.code,
      `${place(offset, pathAt(document.contents, offset))}: ${explain(flaw)}`,
    )
  }
  const tagged = firstTagged(document)
  if (tagged !== undefined) {
    throw new TriremeError(source.code, `${place(tagged, pathAt(document.contents, tagged))}: ${TAGGED}`)
  }
  const data = plainData(document, source)
  const result = source.schema.safeParse(data)
  if (result.success) return result.data
  const all = result.error.issues.flatMap(issue => complaintsOf(issue, data, source))
  const complaints = all
    .slice(0, MAX_COMPLAINTS)
    .map(({ path, text }) => `${place(offsetOf(document, path), path)}: ${text}`)
  if (all.length > MAX_COMPLAINTS)
    complaints.push(`${source.fileName}: ${all.length - MAX_COMPLAINTS} more flaws`)
  throw new TriremeError(source.code, complaints.join('\n'))
}

const TAGGED = 'a YAML tag (!…), expected a plain value'

/** Where the first node with a tag of its own begins, also one that the schema knows. */
function firstTagged(document: Document): number | undefined {
  let offset: number | undefined
  visit(document, (_key, node) => {
    if (!isNode(node) || !('tag' in node) || node.tag === undefined) return undefined
    offset = node.range?.[0] ?? 0
    return visit.BREAK
  })
  return offset
}

/** What the parser says, without the piece of the text that it may quote: that may be a secret. */
function explain(flaw: { code: string; message: string }): string {
  if (flaw.code === 'DUPLICATE_KEY') return 'the key is there twice, expected every key once'
  if (flaw.code === 'TAG_RESOLVE_FAILED') return TAGGED
  if (flaw.code === 'MULTIPLE_DOCS') return 'a second document (---), expected one'
  return `not well-formed YAML: ${flaw.message.replace(/(: "| \\).*$/s, '')}`
}

function plainData(
  document: Document,
  { fileName, code }: { fileName: string; code: YAMLSource<unknown>['code'] },
): unknown {
  try {
    return document.toJS()
  } catch (cause) {
    throw new TriremeError(
      code,
      `${fileName}: an alias (*name), expected its anchor (&name) before it and few repetitions`,
      {
        cause,
      },
    )
  }
}

interface Complaint {
  readonly path: Path
  readonly text: string
}

function complaintsOf(
  issue: z.core.$ZodIssue,
  data: unknown,
  { secretKeys = [] }: { secretKeys?: readonly string[] },
): Complaint[] {
  if (issue.code === 'unrecognized_keys') {
    const text = `unknown key, expected ${issue.message}`
    return issue.keys.map(key => ({ path: [...(issue.path as Path), key], text }))
  }
  const { path, value } = reached(data, issue.path as Path)
  const isSecret = secretKeys.length > 0 && (path.length === 0 || secretKeys.includes(String(path[0])))
  return [{ path, text: `${describe(value, isSecret)}, expected ${issue.message}` }]
}

/** The value at a path, and the path as far as it can be followed. */
function reached(data: unknown, path: Path): { path: Path; value: unknown } {
  let value = data
  for (const [depth, key] of path.entries()) {
    if (!isMapping(value) && !Array.isArray(value)) return { path: path.slice(0, depth), value }
    value = (value as Readonly<Record<PropertyKey, unknown>>)[key]
  }
  return { path, value }
}

function describe(value: unknown, isSecret: boolean): string {
  if (value === undefined) return 'missing'
  if (value === null) return 'empty'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object') return Object.keys(value).length === 0 ? 'an empty map' : 'a map'
  if (isSecret) return 'a value that is not shown here'
  const text = JSON.stringify(value)
  return text.length > MAX_SHOWN_LENGTH ? `${text.slice(0, MAX_SHOWN_LENGTH)}…` : text
}
