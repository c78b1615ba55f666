import { IptablesInMemory } from './iptables-in-memory.js'
import { describeIptables } from './iptables-suite.js'

describeIptables('iptables in memory', async () => new IptablesInMemory())
