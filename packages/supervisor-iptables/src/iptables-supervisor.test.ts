import { connectionMark, type FilterQueue, KernelError, type Supervisor } from '@trireme/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { chainNames, puChainNames, puHash } from './chain-names.js'
import { FAMILIES } from './family.js'
import { IptablesInMemory } from './iptables-in-memory.js'
import { type IptablesSupervisorOptions, supervisorOver } from './iptables-supervisor.js'
import { FILTER_QUEUE, ipRule, testPU } from './pu-fixture.js'

const names = chainNames('host-a')
const queue = { queueNumber: 4097, epoch: 2 }

let programs: IptablesInMemory
let supervisor: Supervisor

beforeEach(() => {
  programs = new IptablesInMemory()
  supervisor = make()
})

describe('lifecycle', () => {
  it('asks nothing of the kernel before start, and takes changes only after it', async () => {
    await expect(supervisor.supervise(testPU('web'), queue)).rejects.toMatchObject({
      code: 'ERR_NOT_STARTED',
    })
    expect(programs.inputs).toEqual([])
    await supervisor.start()
    await expect(supervisor.start()).rejects.toMatchObject({ code: 'ERR_ALREADY_STARTED' })
    await supervisor.stop()
    await supervisor.stop()
    await expect(supervisor.unsupervise('web')).rejects.toMatchObject({ code: 'ERR_NOT_STARTED' })
  })

  it('makes one restore per family and change', async () => {
    await supervisor.start()
    expect(programs.inputs.map(({ family }) => family)).toEqual(['IPv4', 'IPv6'])
    await supervisor.supervise(testPU('web'), queue)
    expect(programs.inputs.length).toBe(4)
    await supervisor.unsupervise('nobody')
    await supervisor.reconcile()
    expect(programs.inputs.length).toBe(4)
  })

  it('has no rule while there is no PU, if told to', async () => {
    supervisor = make({ whileEmpty: 'absent' })
    const before = await saved()
    await supervisor.start()
    expect(programs.inputs).toEqual([])
    await supervisor.supervise(testPU('web'), queue)
    expect(await saved()).toContain(names.in)
    await supervisor.unsupervise('web')
    expect(await saved()).toBe(before)
    await supervisor.supervise(testPU('web'), queue)
    await supervisor.stop()
    // What an earlier process left counts as a PU, until it is reconciled.
    supervisor = make({ whileEmpty: 'absent' })
    await supervisor.start()
    expect(await saved()).toContain('--path test/web ')
    await supervisor.reconcile()
    expect(await saved()).toBe(before)
  })

  it('leaves the rules at stop and takes away all of them, and nothing else, at uninstall', async () => {
    await plantForeignRules()
    const before = await saved()
    await supervisor.start()
    await supervisor.supervise(testPU('web'), queue)
    const running = await saved()
    await supervisor.stop()
    expect(await saved()).toBe(running)
    await make().uninstall()
    expect(await saved()).toBe(before)
    await make().uninstall()
    expect(await saved()).toBe(before)
  })

  it('of two instances takes away one', async () => {
    await supervisor.start()
    const other = make({}, 'host-b')
    await other.start()
    await supervisor.uninstall()
    expect(await saved()).not.toContain(names.prefix)
    expect(await saved()).toContain(chainNames('host-b').prefix)
  })

  it.each(FAMILIES)('fails to start without %s, and leaves nothing behind', async family => {
    const before = await saved()
    programs.refuse = its => (its === family ? `can't initialize ${family}` : undefined)
    await expect(supervisor.start()).rejects.toThrow(`can't initialize ${family}`)
    expect(await saved()).toBe(before)
    programs.refuse = () => undefined
    await supervisor.start()
  })
})

describe('changes', () => {
  beforeEach(() => supervisor.start())

  it('replace the rules of a PU, and remove its chains', async () => {
    const before = await saved()
    await supervisor.supervise(testPU('web'), queue)
    await supervisor.supervise(testPU('web'), { queueNumber: 4098, epoch: 2 })
    expect(await saved()).not.toContain('--queue-num 4097')
    expect(await saved()).toContain('--queue-num 4098')
    await supervisor.unsupervise('web')
    expect(await saved()).toBe(before)
  })

  it('read the commands anew each time', async () => {
    const keys = [4, 5]
    const changing = make({}, 'host-b', () => ({
      flowQueue: 1,
      commands: { key: keys.shift() ?? 6, epoch: 0 },
    }))
    await changing.start()
    await changing.supervise(testPU('web'), queue)
    expect(await saved()).toContain('--mark 0x28000000/0xf8000000')
  })

  it('put flows into the latest epoch that the enforcer named, in whatever order it arrives', async () => {
    for (const [epoch, expected] of [
      [14, 14],
      [1, 1],
      [15, 1],
      [2, 2],
    ] as const) {
      await supervisor.supervise(testPU('web'), { ...queue, epoch })
      expect(await saved()).toContain(
        `--set-xmark 0x${connectionMark('auth', expected).toString(16)}/0x7f00000`,
      )
    }
  })

  it('put in again a jump that somebody has flushed', async () => {
    await programs.restore('IPv4', `*mangle\n-D INPUT -j ${names.in}\nCOMMIT\n`)
    await supervisor.supervise(testPU('web'), queue)
    expect(await programs.save('IPv4')).toContain(`-A INPUT -j ${names.in}`)
  })

  it('put a jump back to the front that others have stepped before', async () => {
    const accept = '-I INPUT 1 -p udp -m udp --dport 53 -j ACCEPT'
    await programs.restore('IPv4', `*filter\n${accept}\nCOMMIT\n*mangle\n${accept}\nCOMMIT\n`)
    const other = make({}, 'host-b')
    await other.start()
    await supervisor.supervise(testPU('web'), queue)
    const inputRules = (await programs.save('IPv4')).split('\n').filter(line => line.startsWith('-A INPUT'))
    const theirs = chainNames('host-b')
    const foreign = '-A INPUT -p udp -m udp --dport 53 -j ACCEPT'
    expect(inputRules).toEqual([
      ...[`-A INPUT -j ${names.in}`, `-A INPUT -j ${theirs.in}`, foreign],
      ...[`-A INPUT -j ${names.reject}`, `-A INPUT -j ${theirs.reject}`, foreign],
      ...[`-A INPUT -j ${theirs.drop}`, `-A INPUT -j ${names.drop}`],
    ])
    programs.inputs.length = 0
    await other.supervise(testPU('db'), queue)
    expect(programs.inputs.map(({ input }) => input).join('')).not.toMatch(/^-[DI] /m)
  })

  it('replace the trireme networks live', async () => {
    await supervisor.supervise(testPU('web'), queue)
    await supervisor.setTargetNetworks(['172.16.0.0/12'])
    const trap = puChainNames(names, puHash('web')).trap
    expect(await saved()).toContain(`-d 172.16.0.0/12 -g ${trap}`)
    expect(await saved()).not.toContain(`-d 10.0.0.0/8`)
    await expect(supervisor.setTargetNetworks(['10.0.0.0/8', 'x'])).rejects.toThrow('networks.trireme: "x"')
  })

  it.each(FAMILIES)('that fail in %s leave the old rules in both families', async family => {
    await supervisor.supervise(testPU('web'), queue)
    const before = await saved()
    const networkACLs = [ipRule('accept', ['192.0.2.1', '2001:db8::1'])]
    programs.refuse = (its, table) =>
      its === family && /192\.0\.2\.1|2001:db8::1/.test(table) ? 'no' : undefined
    await expect(supervisor.supervise(testPU('web', { networkACLs }), queue)).rejects.toThrow(KernelError)
    expect(await saved()).toBe(before)
  })

  it('that come together are applied together, and only the culprit is refused', async () => {
    const held: (() => void)[] = []
    programs.gate = () => new Promise(resolve => held.push(resolve))
    const first = supervisor.supervise(testPU('first'), queue)
    while (held.length < 2) await new Promise(resolve => setImmediate(resolve))
    programs.gate = () => Promise.resolve()
    programs.refuse = (_, table) => (table.includes('test/bad') ? 'no such cgroup' : undefined)
    const rest = ['a', 'bad', 'b'].map(name => supervisor.supervise(testPU(name), queue))
    for (const open of held) open()
    await first
    const results = await Promise.allSettled(rest)
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    for (const name of ['first', 'a', 'b']) expect(await saved()).toContain(`--path test/${name} `)
    expect(await saved()).not.toContain('test/bad')
  })

  it('refuse a port that another PU has', async () => {
    await supervisor.supervise(testPU('a', {}, { ports: [{ first: 80, last: 90 }] }), queue)
    const second = testPU('b', {}, { ports: [{ first: 90, last: 90 }] })
    await expect(supervisor.supervise(second, queue)).rejects.toMatchObject({ code: 'ERR_PORT_TAKEN' })
    await supervisor.unsupervise('a')
    await supervisor.supervise(second, queue)
  })

  it('refuse a network namespace that is not the supervisor’s', async () => {
    const pu = testPU('a', {}, { isolation: { by: 'netns', path: '/run/netns/a' } })
    await expect(supervisor.supervise(pu, queue)).rejects.toThrow(/isolation\.path/)
  })
})

describe('a cgroup that has vanished', () => {
  it('does not stand in the way of other PUs', async () => {
    await supervisor.start()
    await supervisor.supervise(testPU('gone'), queue)
    programs.refuse = (_, table) => (table.includes('--path test/gone') ? 'no such cgroup' : undefined)
    await supervisor.supervise(testPU('web'), queue)
    expect(await saved()).toContain('--path test/web ')
    expect(await saved()).not.toContain('--path test/gone ')
    expect(await saved()).not.toContain(names.probe)
  })

  it('is refused by name for the PU that brings it', async () => {
    await supervisor.start()
    programs.refuse = (_, table) => (table.includes('--path test/gone') ? 'Invalid argument' : undefined)
    await expect(supervisor.supervise(testPU('gone'), queue)).rejects.toThrow(
      'cgroup test/gone does not exist',
    )
  })

  it('is not even tried where the caller knows', async () => {
    supervisor = make({ cgroupExists: path => path !== 'test/gone' })
    await supervisor.start()
    await supervisor.supervise(testPU('gone'), queue)
    const tried = programs.inputs.length
    await supervisor.supervise(testPU('web'), queue)
    expect(programs.inputs.length).toBe(tried + 2)
    expect(await saved()).not.toContain('--path test/gone ')
  })
})

describe('after a restart', () => {
  const chains = puChainNames(names, puHash('web'))

  beforeEach(async () => {
    await supervisor.start()
    await supervisor.supervise(testPU('web', {}, { ports: [{ first: 80, last: 81 }] }), queue)
    supervisor = make()
    await supervisor.start()
  })

  it('a PU is denied until it is supervised again', async () => {
    const left = await saved()
    expect(left).toContain(`-A ${names.out} -m cgroup --path test/web -g ${chains.out}`)
    expect(left).toContain(`-A ${names.in} -p tcp -m tcp --dport 80:81 -g ${chains.in}`)
    expect(left).toContain(`-A ${chains.in} -j DROP`)
    expect(left).not.toContain('--queue-num 4097')
    await supervisor.supervise(testPU('web'), { queueNumber: 8193, epoch: 2 })
    expect(await saved()).toContain('--queue-num 8193')
    expect(await saved()).not.toContain('--dport 80:81')
  })

  it('reconcile takes the rest away, and so does unsupervise', async () => {
    const again = make()
    await again.start()
    expect(await saved()).toContain('test/web')
    await again.reconcile()
    expect(await saved()).not.toContain('test/web')
    await supervisor.unsupervise('web')
    expect(await saved()).not.toContain(chains.in)
  })

  it('a vanished cgroup is left out', async () => {
    programs.refuse = (_, table) => (table.includes('--path test/web') ? 'no such cgroup' : undefined)
    supervisor = make()
    await supervisor.start()
    expect(await saved()).not.toContain('test/web')
    expect(await saved()).toContain('--dport 80:81')
  })

  it('a rule of ours that we cannot read ends the start', async () => {
    await programs.restore(
      'IPv4',
      `*mangle\n-A ${names.out} -m owner --gid-owner 0 -g ${chains.out}\nCOMMIT\n`,
    )
    await expect(make().start()).rejects.toThrow(/uninstall first/)
  })
})

describe('sets of networks', () => {
  const some = (from: number) => Array.from({ length: 20 }, (_, at) => `192.0.2.${from + at}/32`)
  const withList = (networks: readonly string[]) =>
    testPU('web', { networkACLs: [ipRule('accept', networks)] })

  it('come before the rules that use them, and go after these', async () => {
    programs.sets.set('THEIRS', new Set())
    await supervisor.start()
    await supervisor.supervise(withList(some(0)), queue)
    expect([...(await programs.listSets()).values()]).toEqual([0, 3])
    const [, first] = [...programs.sets.keys()]
    await supervisor.supervise(withList(some(100)), queue)
    expect(programs.sets.has(first!)).toBe(false)
    expect(programs.sets.size).toBe(2)
    await supervisor.uninstall()
    expect([...programs.sets.keys()]).toEqual(['THEIRS'])
  })

  it('of an earlier process go when its PUs are supervised again, or with uninstall', async () => {
    await supervisor.start()
    await supervisor.supervise(withList(some(0)), queue)
    await supervisor.stop()
    const again = make()
    await again.start()
    expect(programs.sets.size).toBe(0)
    await again.supervise(withList(some(0)), queue)
    await again.stop()
    await make().uninstall()
    expect(programs.sets.size).toBe(0)
  })

  it('stay, with the rules, where a change is refused', async () => {
    await supervisor.start()
    await supervisor.supervise(withList(some(0)), queue)
    const before = await saved()
    programs.refuse = (_, table) => (table.includes('--queue-num 4098') ? 'no' : undefined)
    await expect(supervisor.supervise(withList(some(100)), { queueNumber: 4098, epoch: 2 })).rejects.toThrow(
      'no',
    )
    expect(await saved()).toBe(before)
    programs.refuse = () => undefined
    await supervisor.supervise(withList(some(200)), queue)
    expect(programs.sets.size).toBe(1)
  })
})

it('refuses networks that are none', () => {
  const networks = { trireme: ['10.0.0.0/8'], excluded: ['nowhere'] }
  const components = { serverID: 'a', filterQueue: () => FILTER_QUEUE, networks }
  expect(() => supervisorOver(programs, {}, components)).toThrow('networks.excluded: "nowhere" is not a CIDR')
})

function make(
  options: IptablesSupervisorOptions = {},
  serverID = 'host-a',
  filterQueue: () => FilterQueue = () => FILTER_QUEUE,
): Supervisor {
  const networks = { trireme: ['10.0.0.0/8', '::1/128'], excluded: [] }
  return supervisorOver(programs, options, { serverID, filterQueue, networks })
}

async function saved(): Promise<string> {
  return (await Promise.all(FAMILIES.map(family => programs.save(family)))).join('')
}

async function plantForeignRules(): Promise<void> {
  for (const family of FAMILIES) {
    await programs.restore(
      family,
      '*mangle\n:THEIRS - [0:0]\n-A THEIRS -j MARK --set-xmark 0x1/0x1\n-A INPUT -j THEIRS\nCOMMIT\n' +
        '*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n*filter\n-A INPUT -p udp -j DROP\nCOMMIT\n',
    )
  }
}
