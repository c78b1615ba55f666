import { afterAll, beforeAll, describe } from 'vitest'
import { connectDockerode } from '../../packages/monitor-docker/src/dockerode-engine.js'
import type { Engine } from '../../packages/monitor-docker/src/engine.js'
import { describeEngine } from '../../packages/monitor-docker/src/engine-suite.js'
import { NetworkNamespace } from '../harness/network-namespace.js'
import { Teardown } from '../harness/teardown.js'
import { DockerEngine, IMAGE } from './docker-engine.js'

describe('the real engine', () => {
  const teardown = new Teardown()
  let host: DockerEngine
  let engine: Engine

  beforeAll(async () => {
    const namespace = teardown.own(await NetworkNamespace.make('engine'))
    host = teardown.own(await DockerEngine.start(namespace))
    const onUnreadable = (error: unknown) => {
      throw error
    }
    engine = await connectDockerode({ engine: host.address, onUnreadable }, new AbortController().signal)
    teardown.add(() => engine.close())
  })
  afterAll(() => teardown.run())

  describeEngine(() => ({
    engine,
    create: name => host.mustDocker('create', '--name', name, '-l', 'app=web', IMAGE, 'sleep', '600'),
    start: async id => void (await host.mustDocker('start', id)),
    remove: async id => void (await host.mustDocker('rm', '-f', id)),
  }))
})
