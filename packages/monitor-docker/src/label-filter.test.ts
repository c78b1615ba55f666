import { describe, expect, it } from 'vitest'
import { type LabelFilter, sortLabels } from './label-filter.js'

const sorted = (labels: Readonly<Record<string, string>>, filter: LabelFilter = {}) =>
  sortLabels(
    Object.entries(labels).map(([key, value]) => ({ key, value })),
    filter,
  )
const keys = (labels: Readonly<Record<string, string>>, filter?: LabelFilter) =>
  sorted(labels, filter).tags.map(({ key }) => key)

describe('sortLabels', () => {
  const labels = {
    app: 'web',
    'com.docker.compose.project': 'shop',
    'traefik.enable': 'true',
    traefiker: 'x',
  }

  it('leaves out by default what tools write for themselves, and hands it to the resolver', () => {
    expect(sorted(labels)).toEqual({
      tags: [
        { key: 'app', value: 'web' },
        { key: 'traefiker', value: 'x' },
      ],
      options: { 'label:com.docker.compose.project': 'shop', 'label:traefik.enable': 'true' },
      surplus: 0,
    })
  })

  it.each([
    [{ exclude: ['traefik*'] }, ['app', 'com.docker.compose.project']],
    [{ exclude: [] }, Object.keys(labels)],
    [{ include: ['com.docker.compose.*'] }, ['com.docker.compose.project']],
    [{ include: ['*a*'], exclude: ['*.*'] }, ['app', 'traefiker']],
    [{ include: [] }, []],
    [{ include: ['a.p', 'ap'] }, []],
  ])('with %j lets %j through', (filter, expected) => {
    expect(keys(labels, filter)).toEqual(expected)
  })

  it('keeps the shortest of more labels than a record has room for, and says how many it does not', () => {
    const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`key${i}`, 'x'.repeat(100 - i)]))
    const { tags, options, surplus } = sorted({ ...many, app: 'web' })
    expect(tags.map(({ key }) => key)).toEqual([...Object.keys(many).slice(9), 'app'])
    expect(Object.keys(options)).toEqual(
      Object.keys(many)
        .slice(0, 9)
        .map(key => `label:${key}`),
    )
    expect(surplus).toBe(9)
  })
})
