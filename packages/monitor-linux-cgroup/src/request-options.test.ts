import type { PURequest } from '@trireme/core'
import { describe, expect, it } from 'vitest'
import { runRequestOf } from './request-options.js'

const USER = { uid: 1000 }
const ROOT = { uid: 0 }

function start(change: Partial<PURequest> = {}): PURequest {
  return { event: 'start', type: 'linux-process', pid: 42, tags: [], ports: [], options: {}, ...change }
}

describe('runRequestOf', () => {
  it('lets a user declare what he may listen on, and only root the ports of root', () => {
    const own = start({ ports: [{ first: 1024, last: 65_535 }] })
    const roots = start({ ports: [{ first: 22, last: 8080 }] })
    expect(runRequestOf(own, USER)).toMatchObject({ ports: own.ports, owner: 1000 })
    expect(runRequestOf(roots, ROOT)).toMatchObject({ ports: roots.ports, owner: 0 })
    expect(() => runRequestOf(roots, USER)).toThrow('port 22: only root may declare ports below 1024')
  })

  it('passes aliases on: they concern nobody but the PU', () => {
    const aliases = ['203.0.113.7:443']
    expect(runRequestOf(start({ aliases }), USER)).toMatchObject({ aliases })
  })

  it.each([{ scope: 'tree' }, { scope: 'cgroup' }, { executable: '/bin/sh' }])(
    'lets only root say %j',
    options => {
      expect(runRequestOf(start({ options }), ROOT)).toMatchObject(options)
      expect(() => runRequestOf(start({ options }), USER)).toThrow('only root may use them')
    },
  )
})
