import { z } from 'zod'
import { listOf } from './list-schema.js'
import { networkSchema } from './network-schema.js'
import { parseYAML } from './parse-yaml.js'
import type { ExternalRule, PolicyDocument } from './policy-document.js'
import { portSchema } from './port-schema.js'
import { readTextFile } from './read-text-file.js'
import { selectorsSchema } from './selector-schema.js'
import { strictMap } from './strict-map.js'

/** What a flow record names where no rule decided. */
const DEFAULT_DENY = 'default deny'
/** What a flow record names where `dns: allow` decided. */
const DNS_ALLOW = 'dns: allow'

const NAME = 'a name of 1 to 64 printable ASCII characters, without a space at either end'
const name = z
  .string({ error: NAME })
  .regex(/^[!-~]([ -~]{0,62}[!-~])?$/, { error: NAME })
  .refine(text => text !== DEFAULT_DENY, { error: `another name than ${DEFAULT_DENY}` })
  .refine(text => text !== DNS_ALLOW, { error: `another name than ${DNS_ALLOW}` })
const ports = listOf(portSchema, 'a list of ports').default([])

const anyMode = z.enum(['enforce', 'observe'], { error: 'enforce or observe' })
const mode = anyMode.default('enforce')
const dns = z.enum(['allow', 'deny'], { error: 'allow or deny' })
const ONLY_DENIALS = { path: ['mode'], error: 'enforce: only a rule that denies can observe instead' }

const rule = strictMap({
  name,
  to: selectorsSchema,
  from: selectorsSchema,
  ports,
  action: z.enum(['allow', 'deny'], { error: 'allow or deny' }),
  mode,
}).refine(isObservedDenial, ONLY_DENIALS)

const external = strictMap({
  name,
  pu: selectorsSchema,
  direction: z.enum(['in', 'out'], { error: 'in or out' }),
  networks: listOf(networkSchema, 'a list of CIDRs'),
  ports,
  protocol: z.enum(['tcp', 'udp', 'icmp', 'any'], { error: 'tcp, udp, icmp or any' }).default('tcp'),
  action: z.enum(['allow', 'deny'], { error: 'allow or deny' }),
  mode,
})
  .refine(isObservedDenial, ONLY_DENIALS)
  .refine(({ protocol, ports }) => ports.length === 0 || protocol === 'tcp' || protocol === 'udp', {
    path: ['ports'],
    error: 'ports only with protocol tcp or udp',
  })

const settings = strictMap({
  pu: selectorsSchema,
  mode: anyMode.optional(),
  dns: dns.optional(),
}).refine(({ mode, dns }) => mode !== undefined || dns !== undefined, {
  error: 'a map with mode, dns or both',
})

const documentSchema = strictMap({
  default: z.literal('deny', { error: 'deny, the only default there is' }).default('deny'),
  rules: z.array(rule, { error: 'a list of rules' }).default([]),
  external: z.array(external, { error: 'a list of external rules' }).default([]),
  mode: anyMode.optional(),
  dns: dns.optional(),
  pus: z.array(settings, { error: 'a list of settings for PUs' }).optional(),
})
  .superRefine(({ rules, external }, context) => {
    const names = [
      ...rules.map(({ name }, index) => ({ name, path: ['rules', index, 'name'] })),
      ...external.map(({ name }, index) => ({ name, path: ['external', index, 'name'] })),
    ]
    const message = 'a name that no rule before it has'
    const known = new Set<string>()
    for (const { name, path } of names) {
      if (known.has(name)) context.addIssue({ code: 'custom', path, message })
      known.add(name)
    }
  })
  .transform((document): PolicyDocument => ({ ...document, external: document.external.map(externalRule) }))

function isObservedDenial({ action, mode }: { readonly action: string; readonly mode: string }): boolean {
  return action === 'deny' || mode === 'enforce'
}

function externalRule({ pu, direction, action, ...rest }: z.output<typeof external>): ExternalRule {
  return { pu, direction, rule: { ...rest, action: action === 'allow' ? 'accept' : 'reject' } }
}

/**
 * Reads the YAML of a policy.
 * @throws TriremeError `ERR_POLICY`: a line for every flaw, with file, line, key path, value and what was expected.
 */
export function parsePolicy(text: string, fileName: string): PolicyDocument {
  return parseYAML({ text, fileName, schema: documentSchema, code: 'ERR_POLICY' })
}

/**
 * Reads a policy file, UTF-8.
 * @throws TriremeError `ERR_POLICY` as `parsePolicy` does, and where the file cannot be read.
 */
export async function loadPolicyFile(path: string): Promise<PolicyDocument> {
  return parsePolicy(await readTextFile(path, 'ERR_POLICY'), path)
}
