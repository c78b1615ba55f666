import { describe, expect, it } from 'vitest'
import { addressSetsOf } from './address-sets.js'
import { chainNames, puChainNames, puHash } from './chain-names.js'
import type { Family } from './family.js'
import { FILTER_QUEUE, ipRule, testPU } from './pu-fixture.js'
import { layoutOf, type RuleInput } from './rules.js'

const names = chainNames('host-a')
const hash = puHash('web')
const { prefix } = names

const input: RuleInput = {
  names,
  networks: { trireme: ['10.0.0.0/8', 'fd00::/8'], excluded: ['198.51.100.1', '2001:db8::1/128'] },
  filterQueue: FILTER_QUEUE,
  pus: [supervised('web', {}, { ports: [range(8080)] })],
  inherited: [],
  inheritedLinks: [],
}

describe('the rules', () => {
  it('clear the private mark before anything else, and answer what was refused with a reset', () => {
    const { raw, filter } = layoutOf(input, 'IPv4')
    expect(raw.jumps).toEqual([
      { from: 'PREROUTING', rule: ['-j', names.clear] },
      { from: 'OUTPUT', rule: ['-j', names.clear] },
    ])
    expect(text(raw.chains.get(names.clear))).toEqual([
      '-m mark ! --mark 0x0/0xfff00000 -j MARK --set-xmark 0x0/0xfff00000',
    ])
    expect(filter.jumps.map(({ from }) => from)).toEqual(['INPUT', 'OUTPUT'])
    expect(text(filter.chains.get(names.reject))).toEqual([
      '-p tcp -m mark --mark 0x18700000/0xfff00000 -j REJECT --reject-with tcp-reset',
      '-p udp -m mark --mark 0x18700000/0xfff00000 -j REJECT --reject-with icmp-port-unreachable',
    ])
  })

  it('lead every packet by command, excluded network, state and PU, in this order', () => {
    expect(chain(names.in)).toEqual([
      '-m mark --mark 0x18000000/0xf8000000 -g SET',
      '-s 198.51.100.1/32 -j RETURN',
      '-p tcp -m tcp --tcp-flags SYN SYN -m conntrack --ctstate INVALID -j DROP',
      '-p tcp -m connmark ! --mark 0x0/0x700000 -g FLOW-IN',
      `-m cgroup --path test/web -g I-${hash}`,
      `-p tcp -m tcp --dport 8080 -g I-${hash}`,
      `-p udp -m udp --dport 8080 -g I-${hash}`,
    ])
    expect(chain(names.out).slice(-4)).toEqual([
      `-m cgroup --path test/web -g O-${hash}`,
      '-p tcp -m tcp --sport 8080 --tcp-flags SYN,RST,ACK SYN -g REFUSE',
      `-p tcp -m tcp --sport 8080 -g O-${hash}`,
      `-p udp -m udp --sport 8080 -g O-${hash}`,
    ])
    expect(chain(names.out)[1]).toBe('-d 198.51.100.1/32 -j RETURN')
  })

  it('never trap a failsafe port, whoever opened the connection to it', () => {
    const peers = ['192.0.2.0/24', '2001:db8::/32']
    const failsafe = [
      { direction: 'in', protocol: 'tcp', port: 22, peers },
      { direction: 'out', protocol: 'udp', port: 53, peers },
    ] as const
    const safe = { ...input, networks: { trireme: [], excluded: [], failsafe } }
    expect(chain(names.in, safe).slice(1, 3)).toEqual([
      '-s 192.0.2.0/24 -p tcp -m tcp --dport 22 -m conntrack --ctdir ORIGINAL -j RETURN',
      '-s 192.0.2.0/24 -p udp -m udp --sport 53 -m conntrack --ctdir REPLY -j RETURN',
    ])
    expect(chain(names.out, safe, 'IPv6').slice(1, 3)).toEqual([
      '-d 2001:db8::/32 -p tcp -m tcp --sport 22 -m conntrack --ctdir REPLY -j RETURN',
      '-d 2001:db8::/32 -p udp -m udp --dport 53 -m conntrack --ctdir ORIGINAL -j RETURN',
    ])
  })

  it('carry out a command and clear it in the same pass', () => {
    expect(chain(names.set)).toEqual([
      '-j CONNMARK --save-mark --nfmask 0x7f00000 --ctmask 0x7f00000',
      '-j MARK --set-xmark 0x0/0xfff00000',
    ])
  })

  it('pass TCP of decided flows, release SENT, and queue the rest', () => {
    expect(chain(names.flowIn)).toEqual([
      '-p tcp -m connmark --mark 0x1400000/0x7c00000 -m tcp ! --tcp-flags SYN SYN ! --tcp-option 254 -j RETURN',
      '-m connmark --mark 0x0/0x400000 -m conntrack --ctdir REPLY -p tcp -m tcp --tcp-flags SYN,RST RST ! --tcp-option 254 -m limit --limit 500/s --limit-burst 500 -j NFLOG --nflog-group 4096',
      '-m connmark --mark 0x0/0x400000 -p tcp -m tcp --tcp-flags SYN,RST RST ! --tcp-option 254 -j RETURN',
      '! -i lo -m connmark --mark 0x1200000/0x7f00000 -m conntrack --ctdir REPLY -p tcp -m tcp --tcp-flags SYN,RST NONE ! --tcp-option 254 -g AUTH',
      '-p tcp -m tcp --tcp-flags SYN,RST,ACK SYN -j SYN-IN',
      '-i lo -m connmark --mark 0x1500000/0x7f00000 -p tcp -m tcp --tcp-flags SYN,RST,ACK SYN -j RETURN',
      '-j CONNMARK --restore-mark --nfmask 0xfff00000 --ctmask 0x7f00000',
      '-j NFQUEUE --queue-num 4096',
    ])
    expect(chain(names.authorize)).toEqual(['-j CONNMARK --set-xmark 0x1400000/0x7f00000'])
  })

  it('take the state from a flow whose tuple is used again, before the queue sees the SYN or its answer', () => {
    expect(chain(names.flowOut)).toEqual([
      chain(names.flowIn)[0],
      chain(names.flowIn)[2],
      '-p tcp -m tcp --tcp-flags SYN,RST,ACK SYN -j CONNMARK --set-xmark 0x1100000/0x7f00000',
      '-p tcp -m tcp --tcp-flags SYN,RST,ACK SYN -j SYN-OUT',
      '-j CONNMARK --restore-mark --nfmask 0xfff00000 --ctmask 0x7f00000',
      '-p tcp -m tcp --tcp-flags SYN SYN -m connmark ! --mark 0x500000/0x700000 -j CONNMARK --set-xmark 0x1100000/0x7f00000',
      '-p tcp -m tcp --tcp-flags SYN SYN -m conntrack --ctdir ORIGINAL -j CONNMARK --set-xmark 0x1100000/0x7f00000',
      '-j NFQUEUE --queue-num 4096',
    ])
  })

  it('bring a SYN on a flow with a state to its PU', () => {
    expect(chain(names.synIn)).toEqual([
      `-m cgroup --path test/web -g Q-${hash}`,
      `-p tcp -m tcp --dport 8080 -g Q-${hash}`,
    ])
    expect(chain(names.synOut)).toEqual([`-m cgroup --path test/web -g Q-${hash}`])
  })

  it('trap with the state that the flow had before in view, and never with bypass', () => {
    expect(puChain('trap')).toEqual([
      '-j CONNMARK --restore-mark --nfmask 0xfff00000 --ctmask 0x7f00000',
      '-m connmark --mark 0x0/0x700000 -j CONNMARK --set-xmark 0x1100000/0x7f00000',
      '-j NFQUEUE --queue-num 4097',
    ])
  })

  it('let of a PU pass what errors and resets need, trap its SYNs, and deny by default', () => {
    expect(puChain('in')).toEqual([
      `-m conntrack --ctstate INVALID ${log('drop.state')}`,
      '-m conntrack --ctstate INVALID -j DROP',
      '-p icmp -m conntrack --ctstate RELATED -j RETURN',
      '-p tcp -m tcp --tcp-flags SYN,RST RST ! --tcp-option 254 -j RETURN',
      `-p tcp -m tcp --tcp-flags SYN,RST,ACK SYN -g IS-${hash}`,
      `-p tcp -g M-${hash}`,
      `-m conntrack --ctdir REPLY -g IR-${hash}`,
      `-g ID-${hash}`,
    ])
    expect(puChain('synIn')).toEqual([
      `-m conntrack --ctdir REPLY ${log('drop.state')}`,
      '-m conntrack --ctdir REPLY -j DROP',
      `-p tcp -m tcp --tcp-option 254 -g Q-${hash}`,
      `-s 10.0.0.0/8 -g Q-${hash}`,
      `-g ID-${hash}`,
    ])
    expect(puChain('synOut').slice(2)).toEqual([`-d 10.0.0.0/8 -g Q-${hash}`, `-g OD-${hash}`])
    const midStream = '-p tcp -m tcp ! --tcp-flags SYN SYN ! --tcp-option 254'
    expect(puChain('midStream')).toEqual([
      `${midStream} -j CONNMARK --restore-mark --nfmask 0xfff00000 --ctmask 0x7f00000`,
      `${midStream} -m limit --limit 1000/s --limit-burst 1000 -j NFQUEUE --queue-num 4097`,
      log('drop.mid-stream'),
      '-j DROP',
    ])
    expect(chain(names.refuse)).toEqual(['-j MARK --set-xmark 0x18700000/0xfff00000', '-j ACCEPT'])
  })

  it('ask the queue of a PU that adopts about what belongs to no flow', () => {
    const enforcement = { queueNumber: 4097, epoch: 2, adopts: true }
    const adopting = { ...input, pus: [{ pu: testPU('web'), enforcement }] }
    const resettable = '-p tcp -m tcp ! --tcp-flags SYN SYN ! --tcp-option 254'
    expect(puChain('midStream', adopting).slice(0, 3)).toEqual([
      `${resettable} -j CONNMARK --restore-mark --nfmask 0xfff00000 --ctmask 0x7f00000`,
      `${resettable} -j NFQUEUE --queue-num 4097`,
      log('drop.mid-stream'),
    ])
  })

  it('let a PU that has a namespace speak with itself, whatever its policy, but not with the resolver of the engine', () => {
    const isolation = { by: 'netns', path: '/run/netns/x' } as const
    const own = { ...input, pus: [supervised('web', {}, { isolation })] }
    const notTheResolver = '! -s 127.0.0.11/32 ! -d 127.0.0.11/32'
    expect(chain(names.in, own)[1]).toBe('-i lo -j RETURN')
    expect(chain(names.out, own).slice(1, 3)).toEqual([
      `${notTheResolver} -o lo -j RETURN`,
      '-s 127.0.0.11/32 -o lo -m conntrack --ctdir REPLY -j RETURN',
    ])
    expect(chain(names.out, own, 'IPv6')[1]).toBe('-o lo -j RETURN')
    expect(puChain('in', own)).toContain('-i lo -j RETURN')
    expect(puChain('out', own)).toContain('-o lo -m conntrack --ctdir REPLY -j RETURN')
  })

  it('judge TCP to the resolver of the engine by the rules over addresses, before the trireme networks', () => {
    const isolation = { by: 'netns', path: '/run/netns/x' } as const
    const dns = ipRule('accept', ['127.0.0.0/8'], { protocol: 'tcp', ports: [range(53)] })
    const applicationACLs = [dns, ipRule('accept', ['192.0.2.0/24'])]
    const of = (differences: object) => ({
      ...input,
      pus: [supervised('web', { applicationACLs }, differences)],
    })
    expect(puChain('synOut', of({ isolation })).slice(2, 4)).toEqual([
      `-d 127.0.0.11/32 -p tcp -m tcp --dport 53 -g A-${hash}`,
      `-d 127.0.0.11/32 -g OD-${hash}`,
    ])
    expect(puChain('synOut', of({ isolation }), 'IPv6').join()).not.toContain('127.0.0.11')
    expect(puChain('synOut', of({})).join()).not.toContain('127.0.0.11')
  })

  it('drop what was let out to the own loopback and is then translated to another host', () => {
    const isolation = { by: 'netns', path: '/run/netns/x' } as const
    const { filter, security } = layoutOf({ ...input, pus: [supervised('web', {}, { isolation })] }, 'IPv4')
    const leaving = '-o lo -m addrtype ! --dst-type LOCAL -j DROP'
    expect(text(filter.chains.get(names.reject))[0]).toBe(leaving)
    expect(text(security.chains.get(names.drop))[0]).toBe(leaving)
  })

  it('know no own loopback where PUs share the namespace', () => {
    for (const rules of [chain(names.in), chain(names.out)]) {
      expect(rules.filter(each => / lo /.test(each))).toEqual([])
    }
    expect(text(layoutOf(input, 'IPv4').filter.chains.get(names.reject))).toHaveLength(2)
  })

  it('are the same in IPv6, where messages of the link pass too', () => {
    expect(puChain('out', input, 'IPv6').slice(0, 12)).toEqual([
      '-p ipv6-icmp -m icmp6 --icmpv6-type 130 -m hl --hl-eq 1 -j RETURN',
      '-p ipv6-icmp -m icmp6 --icmpv6-type 131 -m hl --hl-eq 1 -j RETURN',
      '-p ipv6-icmp -m icmp6 --icmpv6-type 132 -m hl --hl-eq 1 -j RETURN',
      '-p ipv6-icmp -m icmp6 --icmpv6-type 143 -m hl --hl-eq 1 -j RETURN',
      '-p ipv6-icmp -m icmp6 --icmpv6-type 133 -m hl --hl-eq 255 -j RETURN',
      '-p ipv6-icmp -m icmp6 --icmpv6-type 134 -m hl --hl-eq 255 -j RETURN',
      '-p ipv6-icmp -m icmp6 --icmpv6-type 135 -m hl --hl-eq 255 -j RETURN',
      '-p ipv6-icmp -m icmp6 --icmpv6-type 136 -m hl --hl-eq 255 -j RETURN',
      `-m conntrack --ctstate INVALID ${log('drop.state')}`,
      '-m conntrack --ctstate INVALID -j DROP',
      '-p ipv6-icmp -m conntrack --ctstate RELATED -j RETURN',
      '-p tcp -m tcp --tcp-flags SYN,RST RST ! --tcp-option 254 -j RETURN',
    ])
    expect(puChain('synOut', input, 'IPv6')[2]).toBe(`-d fd00::/8 -g Q-${hash}`)
    expect(chain(names.in, input, 'IPv6')[1]).toBe('-s 2001:db8::1/128 -j RETURN')
  })
})

describe('rules over addresses', () => {
  const networkACLs = [
    ipRule('accept', ['192.0.2.0/24', '2001:db8::/32'], {
      protocol: 'tcp',
      ports: [range(80), range(90, 99)],
    }),
    ipRule('accept', ['192.0.2.7'], { protocol: 'udp', ports: [range(53)] }),
    ipRule('accept', ['192.0.2.8/32'], { protocol: 'icmp' }),
    ipRule('reject', ['198.18.0.0/15'], { mode: 'observe' }),
    ipRule('reject', ['192.0.2.128/25']),
  ]
  const withACLs = { ...input, pus: [supervised('web', { networkACLs })] }

  it('decide SYNs from outside the trireme networks: rejects, then accepts, then what is observed', () => {
    expect(puChain('synIn', withACLs).slice(4)).toEqual([
      `-s 192.0.2.128/25 -g ID-${hash}`,
      `-s 192.0.2.0/24 -p tcp -m multiport --dports 80,90:99 -g A-${hash}`,
      `-s 198.18.0.0/15 -g V-${hash}`,
      `-g ID-${hash}`,
    ])
    expect(puChain('synIn', withACLs, 'IPv6').slice(4)).toEqual([
      `-s 2001:db8::/32 -p tcp -m multiport --dports 80,90:99 -g A-${hash}`,
      `-g ID-${hash}`,
    ])
  })

  it('decide what is not TCP, and answers to it as its first packet', () => {
    expect(puChain('in', withACLs).slice(-5)).toEqual([
      `-s 192.0.2.128/25 -g ID-${hash}`,
      `-s 192.0.2.7/32 -p udp -m udp --dport 53 -g A-${hash}`,
      `-s 192.0.2.8/32 -p icmp -g A-${hash}`,
      `-s 198.18.0.0/15 -g V-${hash}`,
      `-g ID-${hash}`,
    ])
    expect(puChain('out', withACLs).slice(-2)).toEqual([
      `-m conntrack --ctdir REPLY -g OR-${hash}`,
      `-g OD-${hash}`,
    ])
    expect(puChain('answerOut', withACLs)).toEqual([
      `-d 192.0.2.128/25 -g OD-${hash}`,
      '-d 192.0.2.7/32 -p udp -m udp --sport 53 -g ACL',
      '-d 192.0.2.8/32 -p icmp -g ACL',
      '-d 198.18.0.0/15 -g ACL',
      `-g OD-${hash}`,
    ])
    expect(puChain('answerIn', withACLs)).toEqual([`-g ID-${hash}`])
  })

  it('report what they let pass once a flow, and mark it; on loopback only the net side marks', () => {
    const unreported = '-m conntrack --ctstate NEW -m connmark ! --mark 0x1500000/0x7f00000'
    expect(puChain('accepted')).toEqual([`${unreported} ${log('accept')}`, '-g ACL'])
    expect(puChain('observed')).toEqual([`${unreported} ${log('observe')}`, '-g ACL'])
    expect(chain(names.acl)).toEqual([
      '! -p tcp -o lo -j RETURN',
      '-j CONNMARK --set-xmark 0x1500000/0x7f00000',
    ])
  })

  it('report what they deny, and answer it: the PU always, others so many times a second', () => {
    const rate = '-m limit --limit 100/s --limit-burst 100'
    expect(puChain('denyIn')).toEqual([
      log('drop.policy'),
      `-p tcp ${rate} -g REFUSE`,
      `-p udp ${rate} -g REFUSE`,
      '-j DROP',
    ])
    expect(puChain('denyOut')).toEqual([
      log('drop.policy'),
      '-p tcp -g REFUSE',
      '-p udp -g REFUSE',
      '-j DROP',
    ])
    const silent = { ...input, pus: [supervised('web', { networkACLs, denyWith: 'drop' })] }
    expect(puChain('denyOut', silent)).toEqual([log('drop.policy'), '-j DROP'])
  })

  it('of what the PU sends look at the destination', () => {
    const applicationACLs = [ipRule('accept', ['0.0.0.0/0'], { protocol: 'any' })]
    const open = { ...input, pus: [supervised('web', { applicationACLs })] }
    const last = [`-d 0.0.0.0/0 -g A-${hash}`, `-g OD-${hash}`]
    expect(puChain('synOut', open).slice(-2)).toEqual(last)
    expect(puChain('out', open).slice(-2)).toEqual(last)
  })

  it('deny nothing in observe mode, but trap all the same', () => {
    const observed = { ...input, pus: [supervised('web', { networkACLs, mode: 'observe' })] }
    expect(puChain('synIn', observed).slice(-5)).toEqual([
      `-s 10.0.0.0/8 -g Q-${hash}`,
      `-s 192.0.2.128/25 -g V-${hash}`,
      `-s 192.0.2.0/24 -p tcp -m multiport --dports 80,90:99 -g A-${hash}`,
      `-s 198.18.0.0/15 -g V-${hash}`,
      `-g V-${hash}`,
    ])
    expect(puChain('in', observed).at(-1)).toBe(`-g V-${hash}`)
    expect(puChain('answerIn', observed)).toEqual(['-g ACL'])
  })

  it('look up long lists in a set, whatever the number of rules that they come from', () => {
    const networks = Array.from({ length: 1000 }, (_, at) => `100.64.${at >> 8}.${at & 255}/32`)
    const each = networks.map(network => ipRule('accept', [network], { protocol: 'tcp' }))
    const long = { ...input, pus: [supervised('web', { networkACLs: each })] }
    const sets = addressSetsOf(long, 'IPv4')
    const [name] = [...sets.keys()]
    expect([...sets.values()]).toEqual([networks])
    expect(name?.length).toBeLessThanOrEqual(31)
    expect(puChain('synIn', long).slice(4)).toEqual([
      `-m set --match-set ${name?.replace(prefix, '')} src -p tcp -g A-${hash}`,
      `-g ID-${hash}`,
    ])
    expect(addressSetsOf(long, 'IPv6').size).toBe(0)
    const everything = { ...input, networks: { ...input.networks, excluded: [...networks, '0.0.0.0/0'] } }
    expect(chain(names.in, everything)[1]).toBe('-s 0.0.0.0/0 -j RETURN')
  })
})

describe('dispatch', () => {
  it('looks at sockets before ports, and takes a whole namespace last', () => {
    const pus = [
      supervised('ns', {}, { isolation: { by: 'netns', path: '/run/netns/x' }, ports: [range(1)] }),
      supervised('web', {}, { ports: [range(8080)] }),
      supervised('old', {}, { isolation: { by: 'net-cls', classID: 1048577 } }),
    ]
    expect(chain(names.out, { ...input, pus }).slice(-6)).toEqual([
      `-m cgroup --path test/web -g O-${hash}`,
      `-m cgroup --cgroup 1048577 -g O-${puHash('old')}`,
      '-p tcp -m tcp --sport 8080 --tcp-flags SYN,RST,ACK SYN -g REFUSE',
      `-p tcp -m tcp --sport 8080 -g O-${hash}`,
      `-p udp -m udp --sport 8080 -g O-${hash}`,
      `-g O-${puHash('ns')}`,
    ])
  })

  it('of an inherited PU denies, SYNs too', () => {
    const match = { by: 'cgroup-path', path: 'test/web' } as const
    const left = { ...input, pus: [], inherited: [{ hash, direction: 'out', match } as const] }
    expect(chain(names.out, left).at(-1)).toBe(`-m cgroup --path test/web -g O-${hash}`)
    expect(chain(names.synOut, left)).toEqual([`-m cgroup --path test/web -g O-${hash}`])
    expect(puChain('out', left)).toEqual([
      '-m conntrack --ctstate INVALID -j DROP',
      '-p icmp -m conntrack --ctstate RELATED -j RETURN',
      '-p tcp -m tcp --tcp-flags SYN,RST RST ! --tcp-option 254 -j RETURN',
      '-j DROP',
    ])
  })

  it('leaves out a cgroup that has vanished, not its ports', () => {
    const vanished = { ...input, vanishedPaths: new Set(['test/web']) }
    expect(chain(names.in, vanished).slice(-2)).toEqual([
      `-p tcp -m tcp --dport 8080 -g I-${hash}`,
      `-p udp -m udp --dport 8080 -g I-${hash}`,
    ])
  })
})

describe('chain names', () => {
  it('fit the kernel and differ by server ID', () => {
    const { mangle } = layoutOf(input, 'IPv4')
    for (const name of mangle.chains.keys()) {
      expect(name.length).toBeLessThanOrEqual(28)
      expect(name.startsWith(prefix)).toBe(true)
    }
    expect(chainNames('host-b').prefix).not.toBe(prefix)
  })
})

/** The rule that tells the enforcer of a packet, for PU queue 4097. */
function log(outcome: string): string {
  return `-m limit --limit 500/s --limit-burst 500 -j NFLOG --nflog-prefix 4097-${outcome} --nflog-group 4096`
}

function supervised(...args: Parameters<typeof testPU>) {
  return { pu: testPU(...args), enforcement: { queueNumber: 4097, epoch: FILTER_QUEUE.commands.epoch } }
}

function range(first: number, last = first) {
  return { first, last }
}

/** A mangle chain's rules, chain names without the instance's prefix. */
function chain(name: string, from = input, family: Family = 'IPv4'): string[] {
  return text(layoutOf(from, family).mangle.chains.get(name))
}

function puChain(
  name: keyof ReturnType<typeof puChainNames>,
  from = input,
  family: Family = 'IPv4',
): string[] {
  return chain(puChainNames(names, hash)[name], from, family)
}

function text(rules: readonly (readonly string[])[] | undefined): string[] {
  return (rules ?? []).map(rule => rule.join(' ').replaceAll(prefix, ''))
}
