import type { PUInterface } from '@trireme/core'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { chainNames, puChainNames, puHash } from './chain-names.js'
import { NOTHING, withPU } from './desired.js'
import { FAMILIES, type Family } from './family.js'
import { IptablesInMemory } from './iptables-in-memory.js'
import { type RulesDisturbance, type SupervisedPlace, supervisorOver } from './iptables-supervisor.js'
import { linksIn } from './link-rules.js'
import { FILTER_QUEUE, testPU } from './pu-fixture.js'
import { layoutOf, type RuleInput } from './rules.js'

const names = chainNames('host-a')
const chains = puChainNames(names, puHash('web'))
const queue = { queueNumber: 4097, epoch: 2 }

const INTERFACE: PUInterface = { name: 'veth1', bridge: 'docker0', addresses: ['172.17.0.2', 'fd00::2'] }
const web = puBehind('web', [INTERFACE])
const input: RuleInput = {
  names,
  networks: { trireme: ['172.16.0.0/12'], excluded: ['198.51.100.1'] },
  filterQueue: FILTER_QUEUE,
  pus: [{ pu: web, enforcement: queue }],
  inherited: [],
  inheritedLinks: [],
}

let programs: IptablesInMemory

beforeEach(() => {
  programs = new IptablesInMemory()
})

describe('a PU behind an interface', () => {
  it('is seen where its packets enter and leave the host, and refusals are answered in FORWARD', () => {
    const { mangle, filter, security } = layoutOf(input, 'IPv4')
    expect(mangle.jumps.map(({ from }) => from)).toEqual([
      ...['INPUT', 'OUTPUT', 'PREROUTING', 'FORWARD', 'POSTROUTING'],
    ])
    for (const { jumps } of [filter, security]) {
      expect(jumps.map(({ from }) => from)).toEqual(['INPUT', 'OUTPUT', 'FORWARD'])
    }
  })

  it('has its address for itself: the last that got it is asked first', () => {
    const [first, second] = ['first', 'second'].map((contextID, i) => ({
      pu: puBehind(contextID, [{ ...INTERFACE, name: `veth${i}` }]),
      enforcement: queue,
    }))
    const order = (...supervised: readonly (typeof first)[]) => {
      const { pus } = supervised.reduce((desired, each) => withPU(desired, each!), NOTHING)
      return linksIn({ ...input, pus: [...pus.values()] }, 'IPv4')
        .filter(({ direction, isStray }) => direction === 'in' && !isStray)
        .map(({ hash }) => hash)
    }
    const [one, two] = ['first', 'second'].map(puHash)
    expect(new Set(order(first, second).slice(0, 2))).toEqual(new Set([two]))
    // A new policy is no new address.
    expect(order(first, second, first)).toEqual([two, two, one, one])
    const elsewhere = { pu: puBehind('first', []), enforcement: queue }
    expect(order(first, second, elsewhere, first)).toEqual([one, one, two, two])
  })

  it('is told by its port and its address together; all else at its port is lost', () => {
    expect(chain(names.from)).toEqual([
      '-s 172.17.0.2/32 -m physdev --physdev-in veth1 -g FROM-web',
      '-m physdev --physdev-in veth1 -g STRAY-web',
      '-i veth1 -g STRAY-web',
    ])
    expect(chain(names.to)).toEqual([
      // What was refused already is answered in `filter`.
      '-m mark --mark 0x18700000/0xfff00000 -j ACCEPT',
      '-d 172.17.0.2/32 -m physdev --physdev-out veth1 --physdev-is-bridged -g TO-web',
      '-d 172.17.0.2/32 -o docker0 -m physdev ! --physdev-is-bridged -g TO-web',
      '-m physdev --physdev-out veth1 --physdev-is-bridged -g STRAY-web',
      '-o docker0 -m physdev ! --physdev-is-bridged -m addrtype --dst-type MULTICAST -g STRAY-web',
      '-o docker0 -m physdev ! --physdev-is-bridged -m addrtype --dst-type BROADCAST -g STRAY-web',
    ])
    expect(chain(chains.stray)).toEqual(['-j DROP'])
    expect(chain(names.from, 'IPv6')[0]).toContain('-s fd00::2/128 ')
  })

  it('finds its neighbours, and is no router', () => {
    const advertisement = '-p ipv6-icmp -m icmp6 --icmpv6-type 134'
    const stray = chain(chains.stray, 'IPv6')
    expect(stray.slice(0, 2)).toEqual([
      `-m physdev --physdev-in veth1 ${advertisement} -j DROP`,
      `-i veth1 ${advertisement} -j DROP`,
    ])
    expect(stray).toContain('-p ipv6-icmp -m icmp6 --icmpv6-type 135 -m hl --hl-eq 255 -j RETURN')
    expect(stray).toHaveLength(11)
    expect(chain(chains.from, 'IPv6')[1]).toBe(`${advertisement} -j DROP`)
    expect(chain(chains.to, 'IPv6').join('\n')).not.toContain(advertisement)
  })

  it('goes by command, excluded network, SYN, state and PU, like every other', () => {
    expect(chain(chains.to)).toEqual([
      '-m mark --mark 0x18000000/0xf8000000 -g SET',
      '-s 198.51.100.1/32 -j RETURN',
      '-p tcp -m tcp --tcp-flags SYN,RST,ACK SYN -m connmark ! --mark 0x0/0x700000 -g TRAP-web',
      '-p tcp -m connmark ! --mark 0x0/0x700000 -g FLOW-TO',
      '-g IN-web',
    ])
    expect(chain(chains.from)).toEqual([
      '-m mark --mark 0x18000000/0xf8000000 -g SET',
      '-d 198.51.100.1/32 -j RETURN',
      // What an earlier connection of the tuple left is gone before the packet is queued.
      '-p tcp -m tcp --tcp-flags SYN,RST,ACK SYN -m connmark ! --mark 0x0/0x700000 -j CONNMARK --set-xmark 0x1100000/0x7f00000',
      '-p tcp -m tcp --tcp-flags SYN,RST,ACK SYN -m connmark ! --mark 0x0/0x700000 -g TRAP-web',
      '-p tcp -m connmark ! --mark 0x0/0x700000 -g FLOW-FROM',
      '-g OUT-web',
    ])
  })

  it('never lets one end decide for the other over what is not TCP', () => {
    expect(chain(names.aclTCP)[0]).toBe('! -p tcp -j RETURN')
    for (const name of [chains.accepted, chains.observed, chains.answerIn, chains.answerOut]) {
      expect(chain(name).join('\n')).not.toMatch(/-g ACL$/m)
    }
    expect(chain(chains.from).join('\n')).not.toContain('! -p tcp')
    expect(chain(chains.to).join('\n')).not.toContain('! -p tcp')
  })

  it("loses what the host's own packets are refused: REJECT is not for POSTROUTING", () => {
    expect(chain(names.hostTo)).toEqual([
      '-m mark --mark 0x18700000/0xfff00000 -j DROP',
      '-m physdev ! --physdev-is-bridged -m addrtype --src-type LOCAL -g HOSTS-OWN',
      '-m physdev ! --physdev-is-bridged -m addrtype ! --src-type LOCAL -m owner --socket-exists -g HOSTS-OWN',
    ])
    expect(chain(names.hostsOwn)).toEqual([
      '-m mark --mark 0x0/0xf8000000 -j MARK --set-xmark 0x600000/0xfff00000',
      '-j TO',
      '-m mark --mark 0x600000/0xfff00000 -j MARK --set-xmark 0x0/0xfff00000',
    ])
    expect(chain(names.refuse)[0]).toBe('-m mark --mark 0x600000/0xfff00000 -j DROP')
    // Nor is what it refuses to send to the host taken for a command.
    expect(chain(names.in)[0]).toBe('-m mark --mark 0x18700000/0xfff00000 -j ACCEPT')
  })

  it('changes no rule of a host without such PUs', () => {
    const { mangle, filter } = layoutOf({ ...input, pus: [] }, 'IPv4')
    expect([...mangle.jumps, ...filter.jumps].map(({ from }) => from)).toEqual([
      ...['INPUT', 'OUTPUT', 'INPUT', 'OUTPUT'],
    ])
    expect(mangle.chains.has(names.from)).toBe(false)
  })
})

describe('supervising a PU behind an interface', () => {
  it('is refused where rules do not see what bridges carry, at the start where such PUs are expected', async () => {
    programs.isSeeingBridges = false
    const missing = {
      code: 'ERR_MISSING_CAPABILITY',
      message: expect.stringContaining('bridge-nf-call-iptables'),
    }
    await expect(make(true).start()).rejects.toMatchObject(missing)
    const supervisor = make()
    await supervisor.start()
    const before = await saved()
    await expect(supervisor.supervise(web, queue)).rejects.toMatchObject(missing)
    expect(await saved()).toBe(before)
  })

  it('is told of later, where somebody switches that off', async () => {
    const problems: unknown[] = []
    const supervisor = make(false, { checkMs: 1, onDisturbance: ({ error }) => problems.push(error) })
    await supervisor.start()
    await supervisor.supervise(web, queue)
    programs.isSeeingBridges = false
    await vi.waitFor(() => expect(String(problems[0])).toContain('bridge-nf-call-iptables is not 1'))
    await supervisor.stop()
  })

  it.each([
    [{ name: 'eth+' }],
    [{ name: '' }],
    [{ name: '-j' }],
    [{ bridge: 'br 0' }],
    [{ bridge: 'abcdefghijklmnop' }],
    [{ addresses: ['172.17.0.0/16'] }],
  ])('is refused with %j', async bad => {
    const supervisor = make()
    await supervisor.start()
    await expect(supervisor.supervise(puBehind('web', [{ ...INTERFACE, ...bad }]), queue)).rejects.toThrow(
      TypeError,
    )
  })

  it('guards its port against frames that iptables does not see, while it lasts', async () => {
    const supervisor = make()
    await supervisor.start()
    expect(programs.frameInputs).toEqual([])
    await supervisor.supervise(web, queue)
    expect(await programs.saveFrames()).toContain(`-A ${names.prefix}PORTS -i veth1 -j ${names.prefix}FRAMES`)
    await supervisor.supervise(puBehind('db', [{ ...INTERFACE, name: 'veth2', addresses: ['172.17.0.3'] }]), {
      ...queue,
      queueNumber: 4098,
    })
    await supervisor.unsupervise('web')
    expect(await programs.saveFrames()).not.toContain('veth1')
    expect(await programs.saveFrames()).toContain('veth2')
    await supervisor.uninstall()
    expect(await programs.saveFrames()).not.toContain(names.prefix)
  })

  it('gets at its port what the host sends to its own addresses, and neighbour discovery', async () => {
    const supervisor = make()
    await supervisor.start()
    await supervisor.supervise(web, queue)
    const lines = (await programs.saveFrames()).split('\n')
    const rules = lines.filter(line => line.startsWith('-A ')).map(line => line.replaceAll(names.prefix, ''))
    expect(rules).toEqual(
      expect.arrayContaining([
        '-A OUTPUT -j TO-PORTS',
        '-A TO-PORTS -o veth1 -j E-veth1',
        '-A E-veth1 -p IPv4 --ip-dst 172.17.0.2/32 -j RETURN',
        '-A E-veth1 -p IPv6 --ip6-dst fd00::2/128 -j RETURN',
        '-A E-veth1 -j OTHERS',
      ]),
    )
    expect(rules.filter(line => line.startsWith('-A OTHERS '))).toEqual([
      '-A OTHERS -p ARP -j RETURN',
      '-A OTHERS -p IPv6 --ip6-dst ff00::/8 -j RETURN',
      '-A OTHERS -p IPv6 --ip6-dst fe80::/10 --ip6-proto ipv6-icmp --ip6-icmp-type 133:136/0:255 -j RETURN',
      '-A OTHERS -j DROP',
    ])
    await supervisor.stop()
    // What an earlier process left is guarded for the same addresses.
    const second = make()
    const before = await programs.saveFrames()
    await second.start()
    expect(await programs.saveFrames()).toBe(before)
    await second.uninstall()
    expect(await programs.saveFrames()).not.toContain(names.prefix)
  })

  it('is guarded again where another program has flushed the frames, and that is told', async () => {
    const found: RulesDisturbance[] = []
    const supervisor = make(false, { checkMs: 1, onDisturbance: disturbance => found.push(disturbance) })
    await supervisor.start()
    await supervisor.supervise(web, queue)
    const before = await programs.saveFrames()
    const flush = `-D FORWARD -j ${names.prefix}PORTS\n:${names.prefix}FRAMES RETURN`
    await programs.restoreFrames(`*filter\n${flush}\nCOMMIT\n`)
    await vi.waitFor(() => expect(found).toHaveLength(1))
    expect(found).toEqual([{ found: ['frames: 1 chains changed', 'frames: no jump from FORWARD'] }])
    expect(await programs.saveFrames()).toBe(before)
    await supervisor.stop()
  })

  it('outlives the process and denies, until the PU is supervised again or nobody wants it', async () => {
    const before = await saved()
    const first = make()
    await first.start()
    await first.supervise(web, queue)
    const links = await linesOf(names.from)
    await first.stop()
    const second = make()
    await second.start()
    expect(await linesOf(names.from)).toEqual(links)
    expect(await linesOf(chains.in)).toContain(`-A ${chains.in} -j DROP`)
    expect(await saved()).not.toContain(chains.trap)
    await second.supervise(web, queue)
    expect(await linesOf(names.from)).toEqual(links)
    expect(await saved()).toContain(chains.trap)
    await second.stop()
    const third = make()
    await third.start()
    await third.reconcile()
    expect(await saved()).not.toContain(names.from)
    expect(await programs.saveFrames()).not.toContain(names.prefix)
    await third.uninstall()
    expect(await saved()).toBe(before)
  })
})

function make(expectsInterfaces = false, options: SupervisedPlace = { checkMs: 0 }) {
  const filterQueue = () => FILTER_QUEUE
  const networks = { trireme: ['172.16.0.0/12'], excluded: [] }
  return supervisorOver(
    programs,
    { ...options, expectsInterfaces },
    { serverID: 'host-a', filterQueue, networks },
  )
}

function puBehind(contextID: string, interfaces: readonly PUInterface[]) {
  return testPU(contextID, {}, { isolation: { by: 'interfaces', interfaces, netns: '/proc/1/fd/9' } })
}

/** A chain's rules, chains by their short names. */
function chain(name: string, family: Family = 'IPv4'): readonly string[] {
  const rules = layoutOf(input, family).mangle.chains.get(name) ?? []
  const short = new Map([
    ...Object.entries({ SET: names.set, TO: names.to, ACL: names.acl, 'HOSTS-OWN': names.hostsOwn }),
    ...Object.entries({ 'FLOW-TO': names.flowTo, 'FLOW-FROM': names.flowFrom }),
    ...Object.entries({ 'FROM-web': chains.from, 'TO-web': chains.to, 'STRAY-web': chains.stray }),
    ...Object.entries({ 'IN-web': chains.in, 'OUT-web': chains.out, 'TRAP-web': chains.trap }),
  ])
  const nameOf = (token: string) => [...short].find(([, full]) => full === token)?.[0] ?? token
  return rules.map(rule => rule.map(nameOf).join(' '))
}

async function saved(): Promise<string> {
  return (await Promise.all(FAMILIES.map(family => programs.save(family)))).join('')
}

async function linesOf(name: string): Promise<readonly string[]> {
  return (await saved()).split('\n').filter(line => line.startsWith(`-A ${name} `))
}
