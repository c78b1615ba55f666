import { chainPrefix } from '@trireme/supervisor-iptables'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { FAMILIES, type Family } from '../../packages/supervisor-iptables/src/family.js'
import { iptables } from '../../packages/supervisor-iptables/src/iptables.js'
import { ipRule, testPU } from '../../packages/supervisor-iptables/src/pu-fixture.js'
import { Lab } from './lab.js'
import { BACKENDS, COMMANDS, makeSupervisor, PU_QUEUE, SERVER_ID } from './make-supervisor.js'
import { comparable, withoutInstance } from './saved.js'

const queue = { queueNumber: PU_QUEUE, epoch: COMMANDS.epoch }
const prefix = chainPrefix(SERVER_ID)

/** Of every kind that another program might have in the tables that we use, and in one that we do not. */
const FOREIGN = `*mangle
:THEIRS - [0:0]
-A THEIRS -j MARK --set-xmark 0x1/0xff
-A PREROUTING -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff
-A INPUT -j THEIRS
-A OUTPUT -m comment --comment "a  \\"quoted\\" -j TRI-name" -j RETURN
COMMIT
*nat
-A POSTROUTING -o nosuch0 -j MASQUERADE
COMMIT
*filter
:FORWARD DROP [0:0]
-A INPUT -p udp -m udp --dport 9 -j DROP
-A OUTPUT -m mark --mark 0x1/0xff -j ACCEPT
COMMIT
`

describe.each(BACKENDS)('backend %s', backend => {
  let lab: Lab

  beforeAll(async () => {
    lab = await Lab.open(`life-${backend}`)
  })
  afterEach(() => makeSupervisor(lab, backend).uninstall())
  afterAll(() => lab.close())

  it('foreign rules stay as they are, and uninstall leaves nothing of ours', async () => {
    for (const family of FAMILIES) await programs().restore(family, FOREIGN)
    const before = await saved()
    const check = async () => expect(await foreign()).toEqual(before)

    const supervisor = makeSupervisor(lab, backend)
    await supervisor.start()
    await check()
    const path = lab.cgroup('life')
    const pu = testPU(
      'life',
      {},
      { isolation: { by: 'cgroup-path', path }, ports: [{ first: 80, last: 89 }] },
    )
    await supervisor.supervise(pu, queue)
    await check()
    const networkACLs = [ipRule('accept', ['192.0.2.0/24', '2001:db8::/32'])]
    await supervisor.supervise({ ...pu, policy: { ...pu.policy, networkACLs } }, queue)
    await supervisor.setTargetNetworks(['172.16.0.0/12', 'fd00::/8'])
    await check()
    for (const family of FAMILIES) expect(await programs().save(family)).toContain(`--path ${path} `)
    await supervisor.unsupervise('life')
    await check()
    await supervisor.stop()
    await check()
    for (const family of FAMILIES) expect(await programs().save(family)).toContain(prefix)
    await makeSupervisor(lab, backend).uninstall()
    await check()
    for (const family of FAMILIES) expect(await programs().save(family)).not.toContain(prefix)
  })

  it('a change that the kernel refuses leaves the old rules in both families', async () => {
    const supervisor = makeSupervisor(lab, backend)
    await supervisor.start()
    const before = await exact()
    const gone = testPU('gone', {}, { isolation: { by: 'cgroup-path', path: 'tri-test-none' } })
    await expect(supervisor.supervise(gone, queue)).rejects.toThrow('cgroup tri-test-none does not exist')
    expect(await exact()).toEqual(before)
  })

  it('a cgroup that vanished does not stand in the way, of a restart neither', async () => {
    const [first, second] = [lab.cgroup('first'), lab.cgroup('second')]
    const supervisor = makeSupervisor(lab, backend)
    await supervisor.start()
    await supervisor.supervise(byPath('first', first), queue)
    lab.removeCgroup(first)
    await supervisor.supervise(byPath('second', second), queue)
    expect(await programs().save('IPv6')).not.toContain(first)
    await supervisor.stop()
    lab.removeCgroup(second)
    const again = makeSupervisor(lab, backend)
    await again.start()
    expect(await programs().save('IPv6')).not.toContain(second)
  })

  it('reads after a restart every match that it makes', async () => {
    const supervisor = makeSupervisor(lab, backend)
    await supervisor.start()
    const path = lab.cgroup('odd\\x2dname:a@b+c,d=e%f~g')
    const ports = [
      { first: 80, last: 80 },
      { first: 0, last: 65535 },
    ]
    await supervisor.supervise(testPU('a', {}, { isolation: { by: 'cgroup-path', path }, ports }), queue)
    await supervisor.supervise(testPU('b', {}, { isolation: { by: 'net-cls', classID: 0xffffffff } }), queue)
    const netns = { by: 'netns', path: lab.netns('host') } as const
    await supervisor.supervise(testPU('c', {}, { isolation: netns }), queue)
    const dispatch = async () =>
      (await programs().save('IPv4')).match(/^-A TRI-[0-9a-f]{6}-(?:IN|OUT) .*-g \S+-[IO]-.*$/gm)
    const before = await dispatch()
    expect(before?.length).toBe(14)
    const again = makeSupervisor(lab, backend)
    await again.start()
    expect(await dispatch()).toEqual(before)
  })

  it('several hundred PUs come in a few restores', async () => {
    const supervisor = makeSupervisor(lab, backend)
    await supervisor.start()
    const pus = Array.from({ length: 200 }, (_, at) =>
      testPU(
        `pu-${at}`,
        {},
        { isolation: { by: 'net-cls', classID: at + 1 }, ports: [{ first: at + 1, last: at + 1 }] },
      ),
    )
    await Promise.all(pus.map(pu => supervisor.supervise(pu, queue)))
    expect((await programs().save('IPv4')).match(/--cgroup/g)?.length).toBe(4 * 200)
  })

  function programs() {
    return iptables({ backend, netns: lab.netns('host') })
  }

  function byPath(contextID: string, path: string) {
    return testPU(contextID, {}, { isolation: { by: 'cgroup-path', path } })
  }

  async function saved() {
    return each(text => comparable(text))
  }

  async function foreign() {
    return each(text => withoutInstance(text, prefix))
  }

  async function exact() {
    return each(text => text.replaceAll(/^#.*\n/gm, '').replaceAll(/ \[\d+:\d+\]$/gm, ''))
  }

  async function each(normalize: (text: string) => string): Promise<Record<Family, string>> {
    const [IPv4 = '', IPv6 = ''] = await Promise.all(FAMILIES.map(family => programs().save(family)))
    return { IPv4: normalize(IPv4), IPv6: normalize(IPv6) }
  }
})
