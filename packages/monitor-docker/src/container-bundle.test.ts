import { expect, it } from 'vitest'
import { engineFolderIn, engineFolderOf } from './container-bundle.js'

const ID = 'a'.repeat(64)
const mount = (destination: string, source: string) => ({ destination, source, type: 'bind' })

it.each([
  ['/etc/hosts', `/var/lib/docker/containers/${ID}/hosts`, '/var/lib/docker'],
  ['/etc/resolv.conf', `/data/100000.100000/containers/${ID}/resolv.conf`, '/data/100000.100000'],
  ['/dev/shm', `/d/containers/${ID}/mounts/shm`, '/d'],
  ['/srv', `/srv/containers/${ID}/hosts`, undefined],
  ['/etc/hosts', '/etc/hosts', undefined],
  ['/etc/hosts', `relative/containers/${ID}/hosts`, undefined],
])('the engine’s folder by its own mount at %s of %s', (destination, source, folder) => {
  expect(engineFolderIn({ mounts: [mount('/proc', 'proc'), mount(destination, source)] })).toBe(folder)
})

it.each([undefined, null, 7, {}, { mounts: {} }, { mounts: [null, 1, { destination: 1 }] }])(
  'none in %s',
  config => {
    expect(engineFolderIn(config)).toBeUndefined()
  },
)

it('none in a bundle that is not there', async () => {
  const waiting = { id: ID, pid: 1 }
  expect(await engineFolderOf(waiting)).toBeUndefined()
  expect(await engineFolderOf({ ...waiting, bundle: '/nowhere' })).toBeUndefined()
})
