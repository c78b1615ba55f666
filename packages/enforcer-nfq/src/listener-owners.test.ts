import { describe, expect, it } from 'vitest'
import { type CgroupReader, ListenerOwners } from './listener-owners.js'

const CGROUP = { isolation: { by: 'cgroup-path', path: 'pu' } } as const

function socket(facts: {
  cgroupID?: bigint
  cookie?: bigint
  inode?: number
  uid?: number
  classID?: number
}) {
  return { cgroupID: undefined, cookie: 1n, inode: 11, uid: 0, classID: 0, ...facts }
}

/** A machine with these cgroups in the PU, of whose processes one holds these inodes; counts how often it is looked at. */
function machine(ids: bigint[], inodes: number[] = []) {
  const seen = { reads: 0, looks: 0, errors: [] as unknown[] }
  const reader: CgroupReader = {
    read: () => {
      seen.reads++
      return { ids: new Set(ids), pids: [7] }
    },
    held: async (_, wanted) => {
      seen.looks++
      return new Set(inodes.filter(each => wanted.has(each)))
    },
  }
  return { seen, ids, inodes, owners: new ListenerOwners(error => seen.errors.push(error), reader) }
}

async function settled(owners: ListenerOwners, whose: ReturnType<typeof socket>) {
  const first = owners.isOwn('web', CGROUP, whose)
  await first
  return owners.isOwn('web', CGROUP, whose)
}

describe('whose a listening socket is', () => {
  it('the PU’s, by its cgroup and those below it, without a look', () => {
    const { owners, seen } = machine([1n, 2n])
    expect(owners.isOwn('web', CGROUP, socket({ cgroupID: 2n }))).toBe(true)
    expect(owners.isOwn('web', CGROUP, socket({ cgroupID: 1n, cookie: 2n }))).toBe(true)
    expect(seen).toMatchObject({ reads: 1, looks: 0 })
  })

  it('nobody’s in the PU: made elsewhere, and no process of the PU holds it', async () => {
    const { owners } = machine([1n])
    expect(await settled(owners, socket({ cgroupID: 9n }))).toBe(false)
    expect(await settled(owners, socket({ cookie: 2n }))).toBe(false)
  })

  it('the PU’s, made in a cgroup that came after the last look', async () => {
    const { owners, ids } = machine([1n])
    expect(owners.isOwn('web', CGROUP, socket({ cgroupID: 1n }))).toBe(true)
    ids.push(3n)
    expect(await settled(owners, socket({ cgroupID: 3n, cookie: 2n }))).toBe(true)
  })

  it('the PU’s by its cookie, where a process of the PU held it once: adopted, or passed by a service manager', async () => {
    const { owners, inodes } = machine([1n], [11])
    expect(await settled(owners, socket({ cgroupID: 9n, cookie: 5n }))).toBe(true)
    inodes.splice(0)
    expect(owners.isOwn('web', CGROUP, socket({ cgroupID: 9n, cookie: 5n }))).toBe(true)
    // Another socket of that inode is another socket.
    expect(await settled(owners, socket({ cgroupID: 9n, cookie: 6n }))).toBe(false)
  })

  it('does not carry over from a PU that ended', async () => {
    const { owners, inodes } = machine([1n], [11])
    expect(await settled(owners, socket({ cgroupID: 9n }))).toBe(true)
    inodes.splice(0)
    owners.forget('web')
    expect(await settled(owners, socket({ cgroupID: 9n }))).toBe(false)
  })

  it('strangers that come and go are looked at together, not one by one', async () => {
    const { owners, seen } = machine([1n])
    const asked = Array.from({ length: 500 }, (_, index) =>
      owners.isOwn('web', CGROUP, socket({ cgroupID: 9n, cookie: BigInt(index) })),
    )
    await Promise.all(asked)
    expect(seen.looks).toBe(1)
  })

  it('nobody’s where the machine cannot be read', async () => {
    const reader: CgroupReader = {
      read: () => ({ ids: new Set(), pids: [7] }),
      held: () => Promise.reject(new Error('EMFILE')),
    }
    const errors: unknown[] = []
    const owners = new ListenerOwners(error => errors.push(error), reader)
    expect(await settled(owners, socket({ cgroupID: 9n }))).toBe(false)
    expect(errors).toHaveLength(1)
  })

  it('by the class of cgroup v1, and by the user, where the PU is told by these', () => {
    const { owners } = machine([])
    const netCls = { isolation: { by: 'net-cls', classID: 0x10001 } } as const
    const owner = { isolation: { by: 'owner', uid: 1000 } } as const
    expect(owners.isOwn('web', netCls, socket({ classID: 0x10001 }))).toBe(true)
    expect(owners.isOwn('web', netCls, socket({ classID: 0 }))).toBe(false)
    expect(owners.isOwn('me', owner, socket({ uid: 1000 }))).toBe(true)
    expect(owners.isOwn('me', owner, socket({ uid: 1001 }))).toBe(false)
  })
})
