import { listOf, strictMap } from '@trireme/policy-file/yaml'
import { z } from 'zod'

interface VouchedFiles {
  /** The node's private key, in PEM. */
  readonly key: string
  /** The authorities, in PEM. */
  readonly ca: string
}

/** A way in which nodes prove their identities' origin, by its one key. The values are paths of files. */
export interface AuthMethods {
  readonly psk: { readonly file: string }
  readonly pki: VouchedFiles & { readonly cert: string }
  /** `peers`: the certificate of each other node, by server ID. */
  readonly prepopulated: VouchedFiles & {
    readonly cert: string
    readonly peers: Readonly<Record<string, string>>
  }
  readonly compact: VouchedFiles & { readonly statement: string }
  readonly null: { readonly allow: true }
}

export type AuthMethod = {
  readonly [Name in keyof AuthMethods]: Readonly<Record<Name, AuthMethods[Name]>>
}[keyof AuthMethods]

/** What a node sends, and what it accepts besides while it migrates. */
export type AuthConfig = AuthMethod & { readonly accept?: readonly AuthMethod[] }

/** @param path reads a path relative to the configuration's folder. */
export function authSchema(path: z.ZodType<string>): z.ZodType<AuthConfig> {
  const files = { key: path, ca: path }
  const PEERS = 'a map from server IDs to paths of certificates'
  const accepted = {
    psk: strictMap({ file: path }).optional(),
    pki: strictMap({ ...files, cert: path }).optional(),
    prepopulated: strictMap({
      ...files,
      cert: path,
      peers: z.record(z.string().min(1), path, { error: PEERS }),
    }).optional(),
    compact: strictMap({ ...files, statement: path }).optional(),
  }
  const allow = z.literal('true', { error: 'true' }).transform(() => true as const)
  const ACCEPTED = exactlyOne(Object.keys(accepted))
  const accept = listOf(
    strictMap(accepted).refine(hasOneMethod, { error: ACCEPTED }) as unknown as z.ZodType<AuthMethod>,
    'a list of ways to authenticate',
  )
  const sent = { ...accepted, null: strictMap({ allow }).optional() }
  return strictMap({ ...sent, accept: accept.optional() })
    .refine(hasOneMethod, { error: exactlyOne(Object.keys(sent)) })
    .transform(config => config as unknown as AuthConfig)
    .superRefine((config, context) => {
      for (const flaw of acceptFlaws(config)) context.addIssue({ code: 'custom', ...flaw })
    })
}

/** The one method in a part of the configuration. */
export function methodOf(config: AuthMethod): keyof AuthMethods {
  return methodsIn(config)[0]!
}

function methodsIn(config: object): readonly (keyof AuthMethods)[] {
  return Object.entries(config).flatMap(([name, value]) =>
    name === 'accept' || value === undefined ? [] : [name as keyof AuthMethods],
  )
}

function hasOneMethod(config: object): boolean {
  return methodsIn(config).length === 1
}

function exactlyOne(names: readonly string[]): string {
  return `exactly one of ${names.join(', ')}`
}

/** Pre-shared keys may be several; of the others each has one key of the node's own, and its CA file may hold several. */
function acceptFlaws(
  config: AuthConfig,
): readonly { readonly path: PropertyKey[]; readonly message: string }[] {
  const { accept = [] } = config
  if (methodOf(config) === 'null' && accept.length > 0) {
    return [{ path: ['accept'], message: 'nothing accepted beside null, which accepts anybody' }]
  }
  const seen = new Set([methodOf(config)])
  return accept.flatMap((each, index) => {
    const method = methodOf(each)
    const isAgain = seen.has(method) && method !== 'psk'
    seen.add(method)
    if (!isAgain) return []
    return [{ path: ['accept', index], message: `${method} once: several authorities go into one ca file` }]
  })
}
