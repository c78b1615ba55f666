import { describe, expect, it } from 'vitest'
import { parseRequest } from './parse-request.js'

describe('parseRequest', () => {
  it('fills in what may be left out', () => {
    expect(parseRequest({ event: 'create' })).toEqual({
      ...{ event: 'create', type: 'linux-process', tags: [], ports: [], discoverPorts: false, options: {} },
    })
  })

  it('reads every field', () => {
    const body = {
      ...{ event: 'start', type: 'vm', contextID: 'c1', name: 'web', pid: 7 },
      ...{ tags: ['app=web'], ports: ['80-81', 'auto'], options: { image: 'x' } },
      aliases: ['203.0.113.7', '[2001:DB8::7]:443'],
    }
    expect(parseRequest(body)).toEqual({
      ...{ event: 'start', type: 'vm', contextID: 'c1', name: 'web', pid: 7 },
      tags: [{ key: 'app', value: 'web' }],
      ports: [{ first: 80, last: 81 }],
      discoverPorts: true,
      aliases: ['203.0.113.7', '[2001:db8::7]:443'],
      options: { image: 'x' },
    })
  })

  it.each([
    [undefined, /body/],
    [{ event: 'begin' }, /event/],
    [{ event: 'start', pid: 0 }, /pid/],
    [{ event: 'start', pid: 1.5 }, /pid/],
    [{ event: 'start', tags: ['x'] }, /x/],
    [{ event: 'start', tags: 'app=web' }, /tags/],
    [{ event: 'start', ports: ['0'] }, /port "0"/],
    [{ event: 'start', ports: ['80-79'] }, /port "80-79"/],
    [{ event: 'start', ports: [80] }, /ports/],
    [{ event: 'start', aliases: ['example.org'] }, /alias "example.org"/],
    [{ event: 'start', name: '' }, /name/],
    [{ event: 'start', uid: 0 }, /uid/],
  ])('refuses %j', (body, reason) => {
    expect(() => parseRequest(body)).toThrow(reason)
  })
})
