import { listOf, strictMap } from '@trireme/policy-file/yaml'
import { z } from 'zod'

/** How containers are monitored: checked, every path absolute. */
export interface DockerConfig {
  /** As `DOCKER_HOST` has it. Undefined: what that variable and `DOCKER_TLS_VERIFY` say, else the default socket. */
  readonly engine?: string | undefined
  /** PEM files. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string } | undefined
  /** Inside containers, or at the host's bridges. */
  readonly enforcement: 'local' | 'remote'
  readonly syncAtStart: boolean
  readonly killContainerOnError: boolean
  /** Whether containers in the host's network are enforced. */
  readonly hostNetwork: boolean
  /** Where containers wait that the runtime of `trireme-docker-runtime` starts. */
  readonly gateSocket?: string | undefined
  readonly extractor: ExtractorConfig
  /** Which labels are part of an identity: patterns, in which `*` stands for any text. */
  readonly labels?:
    | { readonly include?: readonly string[] | undefined; readonly exclude?: readonly string[] | undefined }
    | undefined
  /** Where processes are seen by the engine's numbers. */
  readonly procFolder?: string | undefined
}

/** Who makes identities of containers. */
export type ExtractorConfig =
  | 'labels'
  | 'swarm'
  | 'kubernetes'
  | { readonly command: readonly string[]; readonly timeoutMs?: number | undefined }

const LABEL_PATTERN = 'a label, or a pattern such as com.example.*'
const EXTRACTOR = 'labels, swarm, kubernetes or { command: [PROGRAM, ARGUMENT…], timeoutMs: … }'

/** @param path reads a path. */
export function dockerSchema(path: z.ZodType<string>): z.ZodType<DockerConfig> {
  const flag = z.enum(['true', 'false'], { error: 'true or false' }).transform(text => text === 'true')
  const onUnlessSaid = flag.default(true)
  const command = strictMap({
    command: listOf(z.string({ error: 'a text' }).min(1, { error: 'a text' }), 'a program and its arguments'),
    timeoutMs: z
      .string()
      .regex(/^[1-9]\d{0,6}$/, { error: 'milliseconds' })
      .transform(Number)
      .optional(),
  })
  const patterns = listOf(
    z.string({ error: LABEL_PATTERN }).min(1, { error: LABEL_PATTERN }),
    'a list of labels such as [com.example.*]',
  )
  return strictMap({
    engine: z
      .string({ error: 'an address like unix:///var/run/docker.sock' })
      .regex(/^[a-z]+:\/\//, { error: 'an address like unix:///var/run/docker.sock' })
      .optional(),
    tls: strictMap({ ca: path, cert: path, key: path }).optional(),
    enforcement: z.enum(['local', 'remote'], { error: 'local or remote' }).default('remote'),
    syncAtStart: onUnlessSaid,
    killContainerOnError: onUnlessSaid,
    hostNetwork: onUnlessSaid,
    gateSocket: path.optional(),
    extractor: z
      .union([z.enum(['labels', 'swarm', 'kubernetes']), command], { error: EXTRACTOR })
      .default('labels'),
    labels: strictMap({ include: patterns.optional(), exclude: patterns.optional() }).optional(),
    procFolder: path.optional(),
  }).refine(({ extractor, labels }) => labels === undefined || typeof extractor === 'string', {
    path: ['labels'],
    error: 'no filter with a command, which chooses the labels itself',
  })
}
