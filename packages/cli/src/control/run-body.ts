import { parseTag } from '@trireme/core'
import type { RunRequest } from '@trireme/monitor-linux-cgroup'
import { z } from 'zod'
import { parsePortRange } from '../port-range.js'

const schema = z.strictObject({
  pid: z.int().positive(),
  name: z.string().min(1).max(128).optional(),
  tags: z.array(z.string().max(4096)).max(256).default([]),
  ports: z.array(z.string().max(16)).max(256).default([]),
  kind: z.enum(['linux-process', 'user-session']).optional(),
})

/** The body of `POST /v1/pus`: tags as `key=value`, ports as `8080` or `8000-8100`. */
export type RunBody = z.input<typeof schema>

/**
 * The request that a body stands for.
 * @throws TypeError, RangeError or TriremeError naming the field.
 */
export function parseRunBody(body: unknown): RunRequest {
  const parsed = schema.safeParse(body)
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`)
    throw new TypeError(issues.join('; '))
  }
  const { pid, name, tags, ports, kind } = parsed.data
  return {
    pid,
    tags: tags.map(parseTag),
    ports: ports.map(parsePortRange),
    ...(name === undefined ? {} : { name }),
    ...(kind === undefined ? {} : { kind }),
  }
}
