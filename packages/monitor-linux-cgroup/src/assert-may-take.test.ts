import type { Isolation } from '@trireme/core'
import { testPolicy, testRuntime } from '@trireme/core/testing'
import { expect, it } from 'vitest'
import { puOfCgroup } from './assert-may-take.js'

const container = pu('container', { by: 'cgroup-path', path: 'docker/0123' })
const others = [
  pu('session', { by: 'owner', uid: 1000 }),
  pu('denied', { by: 'cgroup-path', path: '' }),
  pu('isolated', { by: 'netns', path: '/proc/1/ns/net' }),
]

it.each([
  ['/docker/0123', 'container'],
  ['/docker/0123/child', 'container'],
  ['/docker/01234', undefined],
  ['/docker', undefined],
  ['/', undefined],
  [undefined, undefined],
])('a process in %s is in %s', (path, expected) => {
  expect(puOfCgroup(path, [...others, container])).toBe(expected)
})

function pu(contextID: string, isolation: Isolation) {
  return { contextID, runtime: { ...testRuntime(), isolation }, policy: testPolicy() }
}
