import { describe, expect, it } from 'vitest'
import { assertRunRequest, type RunRequest } from './run-request.js'

const GOOD: RunRequest = {
  pid: 42,
  name: 'web',
  tags: [
    { key: 'app', value: 'web' },
    { key: 'note', value: 'a=b, with spaces' },
  ],
  ports: [{ first: 1, last: 65_535 }],
}

describe('assertRunRequest', () => {
  it('takes what makes sense', () => {
    assertRunRequest(GOOD)
    assertRunRequest({ pid: 1, tags: [], ports: [], kind: 'user-session' })
  })

  it.each<[string, Partial<RunRequest>, RegExp]>([
    ['a process number of 0', { pid: 0 }, /pid 0: expected/],
    ['a fraction of a process', { pid: 1.5 }, /pid 1.5: expected/],
    ['a name with a slash', { name: '../etc' }, /name "..\/etc": expected/],
    ['a name that is a folder', { name: '..' }, /name "..": expected/],
    ['an empty name', { name: '' }, /name "": expected/],
    ['a name of two lines', { name: 'a\nb' }, /name "a\\nb": expected/],
    ['a long name', { name: 'x'.repeat(129) }, /expected 1 to 128/],
    ['a reserved tag', { tags: [{ key: '@sys:port', value: '80' }] }, /tag "@sys:port=80": expected/],
    ['another reserved tag', { tags: [{ key: '$x', value: '' }] }, /tag "\$x=": expected/],
    ['a tag without key', { tags: [{ key: '', value: 'x' }] }, /tag "=x": expected/],
    ['port 0', { ports: [{ first: 0, last: 80 }] }, /port 0-80: expected/],
    ['port 65536', { ports: [{ first: 80, last: 65_536 }] }, /port 80-65536: expected/],
    ['a range turned round', { ports: [{ first: 81, last: 80 }] }, /port 81-80: expected/],
    ['a container', { kind: 'container' }, /kind 'container': expected/],
  ])('refuses %s', (_, change, message) => {
    expect(() => assertRunRequest({ ...GOOD, ...change })).toThrow(message)
  })
})
