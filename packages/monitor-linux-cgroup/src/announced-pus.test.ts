import type { PURequest } from '@trireme/core'
import { describe, expect, it } from 'vitest'
import { AnnouncedPUs } from './announced-pus.js'

const request: PURequest = { event: 'create', type: 'linux-process', tags: [], ports: [], options: {} }

describe('announced PUs', () => {
  it('of one user, however many, leave room for those of others', () => {
    const pus = new AnnouncedPUs()
    for (let count = 0; count < 1000; count++) pus.add(`of-1000-${count}`, { request, owner: 1000 })
    expect(() => pus.add('one-more', { request, owner: 1000 })).toThrow('1000 PUs are created')
    pus.add('of-root', { request, owner: 0 })
    expect(pus.get('of-root', { uid: 0 })).toEqual({ request, owner: 0 })
    expect(() => pus.get('of-root', { uid: 1000 })).toThrow('none of this name')
  })
})
