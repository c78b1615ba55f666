import { TriremeError } from '@trireme/core'

/** Credentials for an engine that is reached by TCP with TLS, each PEM. */
export interface EngineTLS {
  readonly ca: string | Uint8Array
  readonly cert: string | Uint8Array
  readonly key: string | Uint8Array
}

/** Where an engine listens. */
export type EngineAddress =
  | { readonly socketPath: string }
  | { readonly protocol: 'http' | 'https'; readonly host: string; readonly port: number }

export const DEFAULT_ENGINE = 'unix:///var/run/docker.sock'

const EXPECTED = 'expected unix:///PATH, tcp://HOST[:PORT], http://HOST[:PORT] or https://HOST[:PORT]'

/**
 * Reads an address as `DOCKER_HOST` has it; `tcp` is TLS where there are credentials. Ports: 2376 with TLS, else 2375.
 * @throws TriremeError `ERR_CONFIG`: engines on other machines (`ssh`) are refused, for their namespaces are not here.
 */
export function parseEngineAddress(text: string, hasTLS = false): EngineAddress {
  const [, scheme, rest] = /^([a-z]+):\/\/(.*)$/.exec(text) ?? []
  if (scheme === 'unix' && rest?.startsWith('/')) return { socketPath: rest }
  if (scheme === 'ssh') {
    throw refuse(text, 'an engine on another machine cannot be enforced from here: run a daemon there')
  }
  if (scheme !== 'tcp' && scheme !== 'http' && scheme !== 'https') throw refuse(text, EXPECTED)
  if (scheme === 'http' && hasTLS) throw refuse(text, 'credentials were given, expected tcp:// or https://')
  const protocol = scheme === 'https' || hasTLS ? 'https' : 'http'
  const [, v6, name, port] =
    /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/[\]]+))(?::(\d{1,5}))?\/?$/.exec(rest ?? '') ?? []
  const host = v6 ?? name
  if (host === undefined || Number(port ?? 1) > 65_535) throw refuse(text, EXPECTED)
  return { protocol, host, port: Number(port ?? (protocol === 'https' ? 2376 : 2375)) }
}

function refuse(text: string, expected: string): TriremeError {
  return new TriremeError('ERR_CONFIG', `engine ${JSON.stringify(text)}: ${expected}`)
}
