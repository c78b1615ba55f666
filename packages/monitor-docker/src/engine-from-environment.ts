import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TriremeError } from '@trireme/core'
import type { EngineTLS } from './engine-address.js'

/** An engine's address, and credentials for it: options of a `dockerMonitor`. */
export interface EngineOptions {
  readonly engine?: string
  readonly tls?: EngineTLS
}

/**
 * Where the variables of the Docker client say that the engine is: `DOCKER_HOST`, and for TCP with a `DOCKER_TLS_VERIFY` that is not
 * empty `ca.pem`, `cert.pem` and `key.pem` in the folder `DOCKER_CERT_PATH`. No option where `DOCKER_HOST` is not set or empty.
 * @throws TriremeError `ERR_CONFIG` naming the variable, where credentials are missing.
 */
export async function engineFromEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<EngineOptions> {
  const { DOCKER_HOST: engine, DOCKER_TLS_VERIFY: verify, DOCKER_CERT_PATH: folder } = environment
  if (!engine) return {}
  if (!verify || engine.startsWith('unix:')) return { engine }
  if (!folder) {
    throw new TriremeError(
      'ERR_CONFIG',
      'DOCKER_TLS_VERIFY is set: expected the folder of credentials in DOCKER_CERT_PATH',
    )
  }
  const read = (name: string) =>
    readFile(join(folder, name), 'utf8').catch((cause: Error) => {
      throw new TriremeError('ERR_CONFIG', `DOCKER_CERT_PATH: ${cause.message}`, { cause })
    })
  return {
    engine,
    tls: { ca: await read('ca.pem'), cert: await read('cert.pem'), key: await read('key.pem') },
  }
}
