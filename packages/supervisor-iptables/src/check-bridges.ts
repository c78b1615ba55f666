import { TriremeError } from '@trireme/core'
import { FAMILIES } from './family.js'
import type { Iptables } from './iptables.js'

/**
 * Sees to it that rules look at what bridges carry: without, what passes between two containers of one bridge would be seen by nobody.
 * @throws TriremeError `ERR_MISSING_CAPABILITY` naming the setting that is not as it must be.
 */
export async function checkBridges(programs: Iptables): Promise<void> {
  const seen = await Promise.all(FAMILIES.map(family => programs.seesBridges(family)))
  for (const [i, family] of FAMILIES.entries()) {
    if (seen[i]) continue
    const setting = `net.bridge.bridge-nf-call-${family === 'IPv4' ? 'iptables' : 'ip6tables'}`
    throw new TriremeError(
      'ERR_MISSING_CAPABILITY',
      `${setting} is not 1: rules do not see what bridges carry; modprobe br_netfilter && sysctl -w ${setting}=1`,
    )
  }
}
