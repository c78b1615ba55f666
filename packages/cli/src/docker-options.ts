import { readFile } from 'node:fs/promises'
import process from 'node:process'
import type { DockerPresetOptions } from '@trireme/configurator'
import { TriremeError } from '@trireme/core'
import {
  commandExtractor,
  type DockerMonitorOptions,
  type EngineTLS,
  engineFromEnvironment,
  kubernetesExtractor,
  labelExtractor,
  swarmExtractor,
} from '@trireme/monitor-docker'
import type { DockerConfig, ExtractorConfig } from './docker-config.js'

/**
 * The monitor's options that a configuration means, credentials read.
 * @throws TriremeError `ERR_CONFIG` for a file that cannot be read.
 */
export async function dockerOptions(config: DockerConfig): Promise<DockerPresetOptions> {
  const {
    engine = process.env['DOCKER_HOST'],
    tls,
    gateSocket,
    extractor,
    labels,
    procFolder,
    ...flags
  } = config
  return {
    ...flags,
    extractor: extractorOf(extractor, labels),
    ...(engine === undefined && (await engineFromEnvironment(process.env))),
    ...(engine && { engine }),
    ...(tls && { tls: await readTLS(tls) }),
    ...(gateSocket && { gateSocket }),
    ...(procFolder && { procFolder }),
  }
}

function extractorOf(
  config: ExtractorConfig,
  { include, exclude }: NonNullable<DockerConfig['labels']> = {},
): NonNullable<DockerMonitorOptions['extractor']> {
  const filter = { ...(include && { include }), ...(exclude && { exclude }) }
  if (config === 'labels') return labelExtractor(filter)
  if (config === 'swarm') return swarmExtractor(filter)
  if (config === 'kubernetes') return kubernetesExtractor(filter)
  const { command, timeoutMs } = config
  const [program = '', ...args] = command
  return commandExtractor({ command: [program, ...args], ...(timeoutMs && { timeoutMs }) })
}

async function readTLS({ ca, cert, key }: NonNullable<DockerConfig['tls']>): Promise<EngineTLS> {
  const read = (name: string, path: string) =>
    readFile(path, 'utf8').catch((cause: Error) => {
      throw new TriremeError('ERR_CONFIG', `monitors.docker.tls.${name}: ${cause.message}`, { cause })
    })
  return { ca: await read('ca', ca), cert: await read('cert', cert), key: await read('key', key) }
}
