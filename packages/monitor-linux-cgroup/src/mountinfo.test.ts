import { describe, expect, it } from 'vitest'
import { parseMountInfo } from './mountinfo.js'

describe('parseMountInfo', () => {
  it('reads the fields around the optional ones', () => {
    const text = [
      '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate',
      '36 35 98:0 /a\\040b /mnt/x\\134y ro,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue',
      '',
    ].join('\n')
    expect(parseMountInfo(text)).toEqual([
      {
        device: '0:38',
        root: '/',
        mountPoint: '/sys/fs/cgroup/unified',
        isReadOnly: false,
        fsType: 'cgroup2',
        superOptions: ['rw', 'nsdelegate'],
      },
      {
        device: '98:0',
        root: '/a b',
        mountPoint: '/mnt/x\\y',
        isReadOnly: true,
        fsType: 'ext3',
        superOptions: ['rw', 'errors=continue'],
      },
    ])
  })

  it('leaves out what is no mount', () => {
    expect(parseMountInfo('nonsense\n1 2 3\n36 35 98:0 / /x rw no separator here\n')).toEqual([])
  })
})
