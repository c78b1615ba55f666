import { describe, expect, it } from 'vitest'
import { masked, rule } from './rule.js'

describe('rule', () => {
  it('makes tokens of words, values and other rules', () => {
    const match = rule`-m cgroup --path ${'a/b'}`
    expect(rule`! -p tcp ${match} ${[]} -g ${'CHAIN'}`).toEqual([
      ...['!', '-p', 'tcp', '-m', 'cgroup', '--path', 'a/b', '-g', 'CHAIN'],
    ])
  })

  it.each(['a b', 'a"b', "a'b", 'a\nb', 'a#b', '', 'ü', 'a;b', '$(x)', '!'])(
    'refuses %j as a value',
    value => {
      expect(() => rule`-m cgroup --path ${value}`).toThrow(TypeError)
    },
  )

  it('writes the topmost bit as a positive number', () => {
    expect(masked(0x80000000 | 0, 0xfff00000)).toBe('0x80000000/0xfff00000')
  })
})
