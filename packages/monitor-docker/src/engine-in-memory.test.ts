import { beforeEach, describe } from 'vitest'
import type { Engine } from './engine.js'
import { InMemoryEngine } from './engine-in-memory.js'
import { describeEngine } from './engine-suite.js'

describe('the engine in memory', () => {
  let world: InMemoryEngine
  let engine: Engine

  beforeEach(async () => {
    world = new InMemoryEngine()
    engine = await world.connect(new AbortController().signal)
  })

  describeEngine(() => ({
    engine,
    create: async name => world.create({ name, labels: { app: 'web' } }),
    start: async id => world.start(id, 4711),
    remove: async id => world.destroy(id),
  }))
})
