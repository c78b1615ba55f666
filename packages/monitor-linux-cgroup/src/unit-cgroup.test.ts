import { expect, it } from 'vitest'
import { unitOf } from './process-extractor.js'
import { unitCgroup } from './unit-cgroup.js'

it.each([
  ['/system.slice/nginx.service', '/system.slice/nginx.service', 'nginx.service'],
  ['/system.slice/nginx.service/.control', '/system.slice/nginx.service', 'nginx.service'],
  ['/user.slice/user-5.slice/session-1.scope', '/user.slice/user-5.slice/session-1.scope', 'session-1.scope'],
  ['/trireme-a/abcdef012345', '/trireme-a/abcdef012345', undefined],
])('%s', (cgroup, ofUnit, unit) => {
  expect(unitCgroup(cgroup)).toBe(ofUnit)
  expect(unitOf(cgroup)).toBe(unit)
})
