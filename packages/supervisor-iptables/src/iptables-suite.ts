import { describe, expect, it } from 'vitest'
import { FAMILIES } from './family.js'
import type { Iptables } from './iptables.js'

/** What this package relies on, shown for the real programs and for their twin in memory alike. `make` gives empty tables. */
export function describeIptables(name: string, make: () => Promise<Iptables>): void {
  describe.each(FAMILIES)(`${name}, %s`, family => {
    it('makes, fills, refills and removes chains, and leaves the others alone', async () => {
      const programs = await make()
      await programs.restore(
        family,
        '*mangle\n:THEIRS - [0:0]\n-A THEIRS -j RETURN\n-A INPUT -j THEIRS\nCOMMIT\n',
      )
      const before = await rulesOf(programs)
      await programs.restore(
        family,
        '*mangle\n:TRI-a - [0:0]\n:TRI-b - [0:0]\n-A TRI-a -g TRI-b\n-I INPUT 1 -j TRI-a\nCOMMIT\n',
      )
      expect(await rulesOf(programs)).toEqual(
        expect.arrayContaining([
          ':TRI-a - [0:0]',
          '-A INPUT -j TRI-a',
          '-A INPUT -j THEIRS',
          '-A TRI-a -g TRI-b',
        ]),
      )
      await programs.restore(family, '*mangle\n:TRI-a - [0:0]\n-A TRI-a -j RETURN\nCOMMIT\n')
      expect(await rulesOf(programs)).toContain('-A TRI-a -j RETURN')
      expect(await rulesOf(programs)).not.toContain('-A TRI-a -g TRI-b')
      await programs.restore(
        family,
        '*mangle\n:TRI-a - [0:0]\n:TRI-b - [0:0]\n:TRI-c - [0:0]\n-D INPUT -j TRI-a\n-X TRI-a\n-X TRI-b\n-X TRI-c\nCOMMIT\n',
      )
      expect(await rulesOf(programs)).toEqual(before)
    })

    it('applies a table as a whole or not at all', async () => {
      const programs = await make()
      const before = await rulesOf(programs)
      const input = '*mangle\n:TRI-a - [0:0]\n-A TRI-a -j RETURN\n-A TRI-a -j TRI-nowhere\nCOMMIT\n'
      await expect(programs.restore(family, input)).rejects.toMatchObject({ name: 'KernelError' })
      expect(await rulesOf(programs)).toEqual(before)
    })

    async function rulesOf(programs: Iptables): Promise<string[]> {
      const saved = await programs.save(family)
      const section = saved.split(/^\*/m).find(text => text.startsWith('mangle')) ?? ''
      return section
        .split('\n')
        .filter(line => /^-A|^:\S+ -/.test(line))
        .sort()
    }
  })
}
