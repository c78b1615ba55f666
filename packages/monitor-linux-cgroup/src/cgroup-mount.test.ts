import { describe, expect, it } from 'vitest'
import { cgroupMountOf, chooseCgroupMount } from './cgroup-mount.js'
import { parseMountInfo } from './mountinfo.js'

const MODERN = '35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate'
const HYBRID = [
  '31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755',
  '39 31 0:36 / /sys/fs/cgroup/net_cls,net_prio rw,relatime - cgroup cgroup rw,net_cls,net_prio',
  '40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd',
  '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw',
].join('\n')
const LEGACY = HYBRID.split('\n').slice(0, 3).join('\n')
const CONTAINER = '735 733 0:30 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate'
const NETNS_EXEC = '48 45 0:39 / /sys rw,relatime - sysfs blue rw'

const choose = (text: string, hidden: readonly string[] = []) =>
  chooseCgroupMount(parseMountInfo(text), {
    below: ['/sys/fs/cgroup', '/state'],
    isVisible: entry => !hidden.includes(entry.mountPoint),
  })

describe('chooseCgroupMount', () => {
  it.each([
    { host: 'a modern host', text: MODERN, folder: '/sys/fs/cgroup', version: 'v2' },
    { host: 'a hybrid host', text: HYBRID, folder: '/sys/fs/cgroup/unified', version: 'v2' },
    {
      host: 'a host with v1 alone',
      text: LEGACY,
      folder: '/sys/fs/cgroup/net_cls,net_prio',
      version: 'net-cls',
    },
  ])('finds $version on $host', ({ text, folder, version }) => {
    expect(choose(text)).toEqual({ version, folder, kernelPath: '' })
  })

  it('finds nothing where nothing can be used', () => {
    expect(choose(CONTAINER)).toBeUndefined()
    expect(choose(NETNS_EXEC)).toBeUndefined()
    expect(choose('')).toBeUndefined()
  })

  it("leaves out another program's mounts", () => {
    expect(choose(MODERN.replace('/sys/fs/cgroup', '/sys/fs/cgroups'))).toBeUndefined()
    expect(choose(MODERN.replace('/sys/fs/cgroup', '/state/cgroup2'))?.version).toBe('v2')
  })

  it('leaves out what another mount hides', () => {
    expect(choose(HYBRID, ['/sys/fs/cgroup/unified'])?.version).toBe('net-cls')
  })

  it('prefers the root of the hierarchy, and leaves out what lies outside the cgroup namespace', () => {
    const bind = '50 24 0:30 /user.slice /state/slice rw - cgroup2 cgroup2 rw'
    const outside = '51 24 0:30 /../.. /state/outside rw - cgroup2 cgroup2 rw'
    expect(choose([bind, outside, MODERN].join('\n'))?.folder).toBe('/sys/fs/cgroup')
    expect(choose(bind)).toMatchObject({ folder: '/state/slice', kernelPath: '/user.slice' })
    expect(choose(outside)).toBeUndefined()
  })
})

describe('cgroupMountOf', () => {
  const entries = parseMountInfo(HYBRID)

  it('names a folder as the kernel does', () => {
    expect(cgroupMountOf(entries, '/sys/fs/cgroup/unified/a/b')).toEqual({
      version: 'v2',
      folder: '/sys/fs/cgroup/unified/a/b',
      kernelPath: '/a/b',
    })
  })

  it('knows none for other folders', () => {
    expect(cgroupMountOf(entries, '/sys/fs/cgroup/systemd')).toBeUndefined()
    expect(cgroupMountOf(entries, '/sys/fs/cgroup/unifiedfoo')).toBeUndefined()
    expect(cgroupMountOf(entries, '/home')).toBeUndefined()
  })
})
