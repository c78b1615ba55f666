import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { negotiateVersion } from './api-version.js'
import { parseContainerEvent } from './container-event.js'
import { parseInspection } from './container-inspection.js'
import { parseEngineAddress } from './engine-address.js'
import { engineFailure } from './engine-failure.js'

describe('parseEngineAddress', () => {
  it.each([
    ['unix:///var/run/docker.sock', false, { socketPath: '/var/run/docker.sock' }],
    ['tcp://10.0.0.1', false, { protocol: 'http', host: '10.0.0.1', port: 2375 }],
    ['tcp://10.0.0.1', true, { protocol: 'https', host: '10.0.0.1', port: 2376 }],
    ['https://docker.test:99/', false, { protocol: 'https', host: 'docker.test', port: 99 }],
    ['tcp://[fd00::1]:2376', true, { protocol: 'https', host: 'fd00::1', port: 2376 }],
  ])('reads %s', (text, hasTLS, address) => {
    expect(parseEngineAddress(text, hasTLS)).toEqual(address)
  })

  it.each([
    '',
    'docker.sock',
    '/var/run/docker.sock',
    'unix://relative',
    'tcp://',
    'tcp://a b',
    'tcp://h:99999',
    'ssh://h',
    'npipe:////./x',
  ])('refuses %j', text => {
    expect(() => parseEngineAddress(text)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
  })

  it('refuses credentials without TLS', () => {
    expect(() => parseEngineAddress('http://h', true)).toThrow('https')
  })
})

describe('negotiateVersion', () => {
  it.each([
    ['1.41', '1.12', '1.41'],
    ['1.24', undefined, '1.24'],
    ['1.99', '1.44', '1.51'],
    ['2.3', '2.0', '2.0'],
  ])('speaks with an engine of %s down to %s', (newest, oldest, version) => {
    expect(negotiateVersion(newest, oldest)).toBe(version)
  })

  it('refuses an engine that is too old', () => {
    expect(() => negotiateVersion('1.23')).toThrow(/1\.23.*expected 1\.24/)
  })
})

describe('parseContainerEvent', () => {
  const event = (more: object) => JSON.stringify({ timeNano: 0, ...more })

  it('reads containers and networks, the time to the nanosecond', () => {
    const start =
      '{"Type":"container","Action":"start","Actor":{"ID":"abc"},"time":1,"timeNano":1795314412935739336}'
    expect(parseContainerEvent(start)).toEqual({
      containerID: 'abc',
      action: 'start',
      timeNano: 1795314412935739336n,
    })
    const connect = {
      Type: 'network',
      Action: 'connect',
      Actor: { ID: 'net', Attributes: { container: 'abc' } },
    }
    expect(parseContainerEvent(event(connect))).toMatchObject({ containerID: 'abc', action: 'connect' })
  })

  it.each([
    { Type: 'container', Action: 'exec_start: sh', Actor: { ID: 'abc' } },
    { Type: 'network', Action: 'create', Actor: { ID: 'net' } },
    { Type: 'image', Action: 'create', Actor: { ID: 'abc' } },
    { Type: 'container', Action: 'start' },
    {},
  ])('leaves out %j', message => {
    expect(parseContainerEvent(event(message))).toBeUndefined()
  })

  it('throws nothing but SyntaxError', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), line => {
        try {
          parseContainerEvent(line)
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError)
        }
      }),
    )
  })
})

describe('parseInspection', () => {
  it('throws nothing but a word on what is not as expected', () => {
    fc.assert(
      fc.property(fc.jsonValue(), answer => {
        expect(() => parseInspection(answer)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }))
      }),
    )
  })

  it('completes what old engines leave out', () => {
    const answer = { Id: 'a'.repeat(64), Name: '/n', State: {}, Config: { Labels: null }, HostConfig: {} }
    expect(parseInspection(answer)).toMatchObject({
      State: { Running: false, Paused: false, Pid: 0 },
      Config: { Image: '', Labels: {} },
      NetworkSettings: { Ports: {}, Networks: {} },
    })
  })
})

describe('engineFailure', () => {
  it.each([
    ['ENOENT', 'is Docker running'],
    ['ECONNREFUSED', 'is Docker running'],
    ['EACCES', 'no permission: run as root'],
  ])('says what %s means', (code, hint) => {
    const cause = Object.assign(new Error('connect failed'), { code })
    expect(engineFailure('GET /version', '/run/docker.sock', cause)).toMatchObject({
      errno: code,
      message: expect.stringContaining(hint),
    })
  })

  it('gives the engine’s own word', () => {
    const cause = { message: 'HTTP code 500', statusCode: 500, json: { message: 'no space left' } }
    expect(engineFailure('GET /info', '/run/docker.sock', cause)).toMatchObject({ errno: 'HTTP 500' })
  })
})
