import { isIP } from 'node:net'
import { dirname, resolve } from 'node:path'
import { DOCKER_NETWORKS } from '@trireme/configurator'
import { DEFAULT_TRIREME_NETWORKS, type FailsafePort } from '@trireme/core'
import {
  listOf,
  networkSchema,
  parseYAML,
  portSchema,
  readTextFile,
  strictMap,
} from '@trireme/policy-file/yaml'
import { z } from 'zod'
import { type AuthConfig, authSchema } from './auth/auth-config.js'
import { type DockerConfig, dockerSchema } from './docker-config.js'

/** The daemon's configuration: checked, complete, every path absolute. Holds no secret. */
export interface Config {
  /** 1 to 64 characters of `A-Z a-z 0-9 . _ -`. */
  readonly serverID: string
  /** The control socket. */
  readonly socket: string
  readonly stateDir: string
  /** Users, by name or number, who may make PUs of their own processes. */
  readonly users: readonly string[]
  /** `loadSecrets` reads the files. */
  readonly auth: AuthConfig
  readonly tokens: 'binary' | 'jwt'
  readonly authorization: 'mutual' | 'receiver'
  /** What becomes of live connections that a changed policy no longer allows. */
  readonly onPolicyChange: 'revoke' | 'keep'
  /** What becomes of connections that were dialled to an address which is neither this host's nor an alias. */
  readonly bind: 'strict' | 'observe' | 'off'
  /** Addresses by which others reach this host though no interface has them. */
  readonly aliases: readonly string[]
  /** CIDRs in which peers are expected to carry an identity. */
  readonly networks: readonly string[]
  /** CIDRs that are not looked at. */
  readonly excludedNetworks: readonly string[]
  /** What becomes of the TCP connections that a PU has when it is first enforced. */
  readonly adopt: 'keep' | 'reset'
  /** Ports that are never trapped. */
  readonly failsafePorts: readonly FailsafePort[]
  readonly monitors: MonitorsConfig
  /** The policy file. */
  readonly policy: string
  /** Whether the policy is read again when its file changes. */
  readonly watch: boolean
}

/** Which PUs there are: at least one kind. */
export interface MonitorsConfig {
  readonly linux?:
    | {
        readonly cgroupRoot?: string | undefined
        /** PUs that each of `users` may have at a time. */
        readonly maxPUsPerUser?: number | undefined
      }
    | undefined
  /** Login sessions; they need `linux`, which is there wherever they are. */
  readonly sessions?: { readonly match: 'auto' | 'cgroup' | 'owner' } | undefined
  readonly docker?: DockerConfig | undefined
}

/** `sun_path` without its closing zero byte (unix(7)). */
const MAX_SOCKET_BYTES = 107

/**
 * Reads a configuration file. Relative paths in it start at its folder.
 * @throws TriremeError `ERR_CONFIG`: a line for every flaw, with file, line, key path, value and what was expected.
 */
export async function loadConfig(path: string): Promise<Config> {
  return parseYAML({
    text: await readTextFile(path, 'ERR_CONFIG'),
    fileName: path,
    schema: configSchema(dirname(resolve(path))),
    code: 'ERR_CONFIG',
    secretKeys: ['auth'],
  })
}

const userSchema = z
  .union([z.string(), z.int().nonnegative()], { error: 'a user' })
  .transform(String)
  .refine(user => /^[A-Za-z0-9_][A-Za-z0-9._-]*\$?$/.test(user), { error: 'a user' })

const addressSchema = z
  .string({ error: 'an address' })
  .refine(text => isIP(text) !== 0 && !text.includes('%'), { error: 'an address' })

const failsafePort = strictMap({
  direction: z.enum(['in', 'out'], { error: 'in or out' }),
  protocol: z.enum(['tcp', 'udp'], { error: 'tcp or udp' }).default('tcp'),
  port: portSchema
    .refine(({ first, last }) => first === last, { error: 'one port' })
    .transform(({ first }) => first),
  peers: listOf(networkSchema, 'a list of CIDRs'),
})

function configSchema(folder: string): z.ZodType<Config> {
  const path = z
    .string({ error: 'a path' })
    .regex(/^[^\0]+$/, { error: 'a path' })
    .transform(text => resolve(folder, text))
  const SERVER_ID = 'a server ID: 1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or a digit'
  return strictMap({
    serverID: z.string({ error: SERVER_ID }).regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, { error: SERVER_ID }),
    socket: path
      .refine(socket => Buffer.byteLength(socket) <= MAX_SOCKET_BYTES, {
        error: `a socket whose absolute path has at most ${MAX_SOCKET_BYTES} bytes`,
      })
      .optional(),
    stateDir: path.optional(),
    users: listOf(userSchema, 'a list of users', 0).default([]),
    auth: authSchema(path),
    tokens: z.enum(['binary', 'jwt'], { error: 'binary or jwt' }).default('binary'),
    authorization: z.enum(['mutual', 'receiver'], { error: 'mutual or receiver' }).default('mutual'),
    onPolicyChange: z.enum(['revoke', 'keep'], { error: 'revoke or keep' }).default('revoke'),
    bind: z.enum(['strict', 'observe', 'off'], { error: 'strict, observe or off' }).default('strict'),
    aliases: listOf(addressSchema, 'a list of addresses', 0).default([]),
    networks: listOf(networkSchema, 'a list of CIDRs').optional(),
    excludedNetworks: listOf(networkSchema, 'a list of CIDRs', 0).default([]),
    adopt: z.enum(['keep', 'reset'], { error: 'keep or reset' }).default('keep'),
    failsafePorts: listOf(failsafePort, 'a list of ports with direction and peers', 0).default([]),
    monitors: monitorsSchema(path).default({ linux: {} }),
    policy: path,
    watch: z
      .enum(['true', 'false'], { error: 'true or false' })
      .default('false')
      .transform(text => text === 'true'),
  }).transform(config => ({
    ...config,
    networks: config.networks ?? usualNetworks(config.monitors),
    socket: config.socket ?? `/run/trireme/${config.serverID}.sock`,
    stateDir: config.stateDir ?? `/var/lib/trireme/${config.serverID}`,
  }))
}

function monitorsSchema(path: z.ZodType<string, string>): z.ZodType<MonitorsConfig> {
  const match = z.enum(['auto', 'cgroup', 'owner'], { error: 'auto, cgroup or owner' })
  const maxPUs = z
    .string()
    .regex(/^[1-9]\d{0,3}$/, { error: 'a number from 1 to 9999' })
    .transform(Number)
  return strictMap({
    linux: strictMap({ cgroupRoot: path.optional(), maxPUsPerUser: maxPUs.optional() }).optional(),
    sessions: strictMap({ match: match.default('auto') }).optional(),
    docker: dockerSchema(path).optional(),
  })
    .refine(
      ({ linux, sessions, docker }) => linux !== undefined || sessions !== undefined || docker !== undefined,
      {
        error: 'linux, sessions, docker or several',
      },
    )
    .transform(monitors => (monitors.sessions ? { linux: {}, ...monitors } : monitors))
}

/** Where containers are, their engine's own networks count, too. */
function usualNetworks({ docker }: MonitorsConfig): readonly string[] {
  return [...DEFAULT_TRIREME_NETWORKS, ...(docker ? DOCKER_NETWORKS : [])]
}
