import { describe, expect, it } from 'vitest'
import { foreignMarkUses, untrackedRules } from './foreign-rules.js'
import { rulesInRuleset, rulesInSave } from './placed-rules.js'

const OURS = 0xfff00000
const CONNMARK = '-A PREROUTING -j CONNMARK'

const inSave = (line: string) => rulesInSave(`*mangle\n${line}\nCOMMIT\n`, 'IPv4')
const inRuleset = (rule: string) =>
  rulesInRuleset(
    `table inet vpn {\n\tchain out {\n\t\ttype filter hook output priority 0;\n\t\t${rule}\n\t}\n}\n`,
  )

describe('a rule of others that changes bits of ours in marks is found', () => {
  it.each([
    ['-A OUTPUT -j MARK --set-xmark 0x5/0xffffffff', 'packet', 0xfff00000],
    ['-A OUTPUT -j MARK --set-xmark 0x100000/0x0', 'packet', 0x100000],
    [`${CONNMARK} --save-mark --nfmask 0xffffffff --ctmask 0xffffffff`, 'connection', 0xfff00000],
    [`${CONNMARK} --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff`, 'packet', 0xfff00000],
    [`${CONNMARK} --set-xmark 0x1/0xff000000`, 'connection', 0xff000000],
  ])('iptables: %s', (line, mark, overlap) => {
    expect(foreignMarkUses(inSave(line), OURS)).toMatchObject([{ table: 'IPv4 mangle', mark, overlap }])
  })

  it.each([
    ['meta mark set 0x00000005', 'packet', 0xfff00000],
    ['ct state new ct mark set meta mark', 'connection', 0xfff00000],
    ['meta mark set ct mark & 0x00ff0000', 'packet', 0xfff00000],
    ['meta mark set meta mark & 0xff00ffff | 0x00040000', 'packet', 0xf00000],
    ['ct mark set ct mark | 0x00200000', 'connection', 0x200000],
  ])('nft: %s', (rule, mark, overlap) => {
    expect(foreignMarkUses(inRuleset(rule), OURS)).toMatchObject([
      { table: 'inet vpn', chain: 'out', mark, overlap },
    ])
  })

  it.each([
    '-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000',
    '-A ts-forward -i tailscale0 -j MARK --set-xmark 0x40000/0xf0000',
    '-A TRI-aaaaaa-SET -j MARK --set-xmark 0x0/0xfff00000',
    '-A INPUT -m mark --mark 0x100000/0x100000 -j ACCEPT',
  ])('unless it leaves ours alone: %s', line => {
    expect(foreignMarkUses(inSave(line), OURS)).toEqual([])
  })

  it('unless it keeps the other bits, by nft', () => {
    expect(foreignMarkUses(inRuleset('meta mark set meta mark & 0xfff00000 | 0x00000005'), OURS)).toEqual([])
  })

  it.each([
    ['-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000', 0x4000, 'kube-proxy'],
    ['-A PREROUTING -j MARK --set-xmark 0x8000/0x8000', 0x8000, 'kube-proxy'],
    ['-A ts-forward -j MARK --set-xmark 0x40000/0xff0000', 0xff0000, 'Tailscale'],
    ['-A cali-PREROUTING -j MARK --set-xmark 0x0/0xf0000', 0xf0000, 'Calico'],
    ['-A CILIUM_PRE_mangle -j MARK --set-xmark 0x200/0xffffffff', 0xffffffff, 'Cilium'],
    ['-A OUTPUT -m comment --comment opensnitch -j MARK --set-xmark 0x1/0x1', 1, 'OpenSnitch'],
    ['-A OUTPUT -j MARK --set-xmark 0x77/0x77', 0x77, undefined],
  ])('by the name of its program: %s', (line, mask, program) => {
    expect(foreignMarkUses(inSave(line), mask)).toMatchObject([{ program }])
  })
})

it('rules that keep packets from connection tracking are found', () => {
  const iptables = ['-A PREROUTING -p udp -j NOTRACK', '-A OUTPUT -d 10.0.0.0/8 -j CT --notrack']
  for (const line of iptables) expect(untrackedRules(inSave(line))).toHaveLength(1)
  expect(untrackedRules(inRuleset('tcp dport 80 notrack'))).toHaveLength(1)
  expect(untrackedRules(inSave('-A PREROUTING -j CT --helper ftp'))).toEqual([])
})
