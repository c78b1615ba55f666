import { type PortRange, type PURequest, parseAlias, parseTag } from '@trireme/core'
import { z } from 'zod'

const EVENTS = ['create', 'start', 'stop', 'pause', 'unpause', 'destroy'] as const

const schema = z.strictObject({
  event: z.enum(EVENTS),
  type: z.string().min(1).max(64).default('linux-process'),
  contextID: z.string().min(1).max(64).optional(),
  name: z.string().min(1).max(128).optional(),
  pid: z.int().positive().optional(),
  tags: z.array(z.string().max(4096)).max(256).default([]),
  ports: z.array(z.string().max(16)).max(256).default([]),
  aliases: z.array(z.string().max(64)).max(256).optional(),
  options: z.record(z.string().max(64), z.string().max(4096)).default({}),
})

/** The body of `POST /v1/events`: tags as `key=value`; ports as `8080`, `8000-8100`, or `auto` for those found; aliases as `203.0.113.7` or `203.0.113.7:443`. */
export type EventBody = z.input<typeof schema>

const AUTO = 'auto'

/**
 * The request that a body stands for.
 * @throws TypeError, RangeError or TriremeError naming the field.
 */
export function parseRequest(body: unknown): PURequest {
  const parsed = schema.safeParse(body)
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`)
    throw new TypeError(issues.join('; '))
  }
  const { event, type, contextID, name, pid, tags, ports, aliases, options } = parsed.data
  return {
    ...{ event, type, options },
    tags: tags.map(parseTag),
    ports: ports.filter(port => port !== AUTO).map(parsePortRange),
    discoverPorts: ports.includes(AUTO),
    ...(aliases === undefined ? {} : { aliases: aliases.map(parseAlias) }),
    ...(contextID === undefined ? {} : { contextID }),
    ...(name === undefined ? {} : { name }),
    ...(pid === undefined ? {} : { pid }),
  }
}

function parsePortRange(text: string): PortRange {
  const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? []
  const range = { first: Number(first), last: Number(last) }
  if (range.first >= 1 && range.last <= 65_535 && range.first <= range.last) return range
  throw new RangeError(
    `port ${JSON.stringify(text)}: expected a port from 1 to 65535, a range such as 8000-8100, or auto`,
  )
}
