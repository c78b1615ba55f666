import { compileACL, decideAddress, type IPRule, parseAddress } from '@trireme/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressSetsOf } from './address-sets.js'
import { chainNames, puChainNames, puHash } from './chain-names.js'
import { FAMILIES, type Family } from './family.js'
import { followPacket, type ModelPacket } from './model-kernel.fixture.js'
import { FILTER_QUEUE, testPU } from './pu-fixture.js'
import { layoutOf, type RuleInput } from './rules.js'

const names = chainNames('host-a')
const chains = puChainNames(names, puHash('web'))

const NETWORKS: Readonly<Record<Family, readonly string[]>> = {
  IPv4: ['0.0.0.0/0', '192.0.2.0/24', '192.0.2.0/25', '192.0.2.7/32', '198.18.0.0/15', '198.18.1.0/24'],
  IPv6: ['::/0', '2001:db8::/32', '2001:db8:1::/48', '2001:db8:1::7/128', '2001:db8:2::/64'],
}
const PEERS: Readonly<Record<Family, readonly string[]>> = {
  IPv4: ['192.0.2.7', '192.0.2.8', '192.0.2.200', '198.18.0.1', '198.18.1.1', '203.0.113.1'],
  IPv6: ['2001:db8:1::7', '2001:db8:1::8', '2001:db8:2::1', '2001:db8:3::1', '2001:db9::1'],
}
/** Enough beside the others to make a set of any list. */
const CROWD = Array.from({ length: 12 }, (_, at) => [`100.64.${at}.0/24`, `2001:dead:${at}::/48`]).flat()

const port = fc.constantFrom(52, 53, 54, 80, 8000, 8050)
const range = fc.tuple(port, port).map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }))
const anyRule = fc
  .record({
    networks: fc.subarray([...NETWORKS.IPv4, ...NETWORKS.IPv6], { minLength: 1 }),
    isCrowded: fc.boolean(),
    protocol: fc.constantFrom('tcp' as const, 'udp' as const, 'icmp' as const, 'any' as const),
    ports: fc.array(range, { maxLength: 20 }),
    tier: fc.constantFrom<Pick<IPRule, 'action' | 'mode'>>(
      { action: 'accept' },
      { action: 'reject' },
      { action: 'reject', mode: 'observe' },
    ),
  })
  .map(
    ({ networks, isCrowded, protocol, ports, tier }): IPRule => ({
      name: 'r',
      networks: isCrowded ? [...networks, ...CROWD] : networks,
      ports: protocol === 'tcp' || protocol === 'udp' ? ports : [],
      protocol,
      ...tier,
    }),
  )
const anyACL = fc.array(anyRule, { maxLength: 5 })
const anyPacket = fc.record({
  peerAt: fc.nat({ max: 4 }),
  protocol: fc.constantFrom('tcp' as const, 'udp' as const, 'icmp' as const, 'other' as const),
  port,
  direction: fc.constantFrom('in' as const, 'out' as const),
})

describe.each(FAMILIES)('rules over addresses in the kernel, %s', family => {
  it('decide over the first packet of a flow as core’s ACL does', () => {
    fc.assert(
      fc.property(
        ...[anyACL, anyACL, anyPacket, fc.constantFrom('enforce' as const, 'observe' as const)],
        (networkACLs, applicationACLs, { peerAt, protocol, port, direction }, mode) => {
          const peer = PEERS[family][peerAt]!
          const packet: ModelPacket = {
            peer,
            peerIs: direction === 'in' ? 'source' : 'destination',
            protocol,
            sourcePort: 40_000,
            destinationPort: port,
            isReply: false,
          }
          const { outcome } = follow({ networkACLs, applicationACLs, mode }, direction, packet)
          const acl = compileACL(direction === 'in' ? networkACLs : applicationACLs)
          const decision = decideAddress(acl.match(parseAddress(peer), port, protocol), mode)
          expect(outcome.logs).toEqual([`4097-${outcomeOf(decision)}`])
          expect(outcome.end === 'ACL').toBe(decision.verdict === 'accept')
        },
      ),
      { numRuns: 150 },
    )
  })

  it('decide over an answer as over the packet that it answers', () => {
    fc.assert(
      fc.property(
        anyACL,
        anyACL,
        anyPacket,
        (networkACLs, applicationACLs, { peerAt, protocol, port, direction }) => {
          if (protocol === 'tcp') return
          const peer = PEERS[family][peerAt]!
          const answer: ModelPacket = {
            peer,
            peerIs: direction === 'in' ? 'source' : 'destination',
            protocol,
            sourcePort: port,
            destinationPort: 40_000,
            isReply: true,
          }
          const { outcome } = follow({ networkACLs, applicationACLs }, direction, answer)
          const acl = compileACL(direction === 'in' ? applicationACLs : networkACLs)
          const decision = decideAddress(acl.match(parseAddress(peer), port, protocol), 'enforce')
          expect(outcome.end === 'ACL').toBe(decision.verdict === 'accept')
        },
      ),
      { numRuns: 75 },
    )
  })

  function follow(policy: Parameters<typeof testPU>[1], direction: 'in' | 'out', packet: ModelPacket) {
    const input: RuleInput = {
      names,
      networks: { trireme: [], excluded: [] },
      filterQueue: FILTER_QUEUE,
      pus: [{ pu: testPU('web', policy), enforcement: { queueNumber: 4097, epoch: 2 } }],
      inherited: [],
      inheritedLinks: [],
    }
    const layout = layoutOf(input, family)
    return {
      outcome: followPacket(layout, addressSetsOf(input, family), { chain: chains[direction], packet }),
    }
  }
})

function outcomeOf({ verdict, observed }: ReturnType<typeof decideAddress>): string {
  if (observed) return 'observe'
  return verdict === 'accept' ? 'accept' : 'drop.policy'
}
