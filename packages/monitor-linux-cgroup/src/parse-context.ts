import type { Isolation, PortRange, PUKind, PURuntime, Tag } from '@trireme/core'
import type { StoredContext } from './context-store.js'
import type { PortPlan } from './effective-ports.js'

type Fields<Names extends string> = Readonly<Partial<Record<Names, unknown>>>

const KINDS: readonly PUKind[] = ['container', 'linux-process', 'user-session']

/**
 * The context that a file of the store describes.
 * @throws SyntaxError or TypeError naming the field where it is not one, or is another context's.
 */
export function parseContext(text: string, contextID: string): StoredContext {
  type Name = 'version' | 'contextID' | 'runtime' | 'portPlan' | 'owner' | 'borrowed' | 'origin'
  const fields = object<Name>(JSON.parse(text), 'context')
  if (fields.version !== 1) throw wrong('version', '1', fields.version)
  if (fields.contextID !== contextID) throw wrong('contextID', contextID, fields.contextID)
  return {
    contextID,
    runtime: parseRuntime(fields.runtime),
    portPlan: parsePortPlan(fields.portPlan),
    owner: integer(fields.owner, 'owner'),
    ...(fields.borrowed === undefined ? {} : { borrowed: string(fields.borrowed, 'borrowed') }),
    origin: string(fields.origin, 'origin'),
  }
}

function parsePortPlan(value: unknown): PortPlan {
  const { declared, discover } = object<'declared' | 'discover'>(value, 'portPlan')
  return { declared: array(declared, 'declared').map(parsePortRange), discover: discover === true }
}

function parseRuntime(value: unknown): PURuntime {
  type Name = 'kind' | 'name' | 'pid' | 'tags' | 'ports' | 'closedPorts' | 'aliases' | 'isolation'
  const fields = object<Name>(value, 'runtime')
  const kind = KINDS.find(known => known === fields.kind)
  if (!kind) throw wrong('kind', KINDS.join(' or '), fields.kind)
  return {
    kind,
    name: string(fields.name, 'name'),
    ...(fields.pid === undefined ? {} : { pid: integer(fields.pid, 'pid') }),
    tags: array(fields.tags, 'tags').map(parseTagFields),
    ports: array(fields.ports, 'ports').map(parsePortRange),
    ...(fields.closedPorts === undefined
      ? {}
      : { closedPorts: array(fields.closedPorts, 'closedPorts').map(parsePortRange) }),
    ...(fields.aliases === undefined
      ? {}
      : { aliases: array(fields.aliases, 'aliases').map(alias => string(alias, 'alias')) }),
    isolation: parseIsolation(fields.isolation),
  }
}

function parseTagFields(value: unknown): Tag {
  const fields = object<'key' | 'value'>(value, 'tag')
  return { key: string(fields.key, 'tag key'), value: string(fields.value, 'tag value') }
}

function parsePortRange(value: unknown): PortRange {
  const fields = object<'first' | 'last'>(value, 'port range')
  return { first: integer(fields.first, 'first port'), last: integer(fields.last, 'last port') }
}

function parseIsolation(value: unknown): Isolation {
  const fields = object<'by' | 'classID' | 'path'>(value, 'isolation')
  if (fields.by === 'net-cls') return { by: 'net-cls', classID: integer(fields.classID, 'classID') }
  if (fields.by === 'cgroup-path') return { by: 'cgroup-path', path: string(fields.path, 'path') }
  if (fields.by === 'ports') return { by: 'ports' }
  throw wrong('isolation', 'net-cls, cgroup-path or ports', fields.by)
}

function object<Names extends string>(value: unknown, field: string): Fields<Names> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields<Names>
  throw wrong(field, 'an object', value)
}

function array(value: unknown, field: string): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw wrong(field, 'a list', value)
}

function string(value: unknown, field: string): string {
  if (typeof value === 'string') return value
  throw wrong(field, 'a string', value)
}

function integer(value: unknown, field: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value
  throw wrong(field, 'an integer', value)
}

function wrong(field: string, expected: string, value: unknown): TypeError {
  return new TypeError(`${field}: expected ${expected}, found ${JSON.stringify(value)}`)
}
