import { createHash } from 'node:crypto'
import { type PortRange, type PUInfo, type PURuntime, withoutClosedPorts } from '@trireme/core'

/**
 * Equal for policies that allow the same connections of the PU, whatever it is called and however it presents itself. Closed ports, at
 * which nobody was let in, do not count: listeners come and go as a program likes.
 */
export function policyDigest({ policy, runtime }: Pick<PUInfo, 'policy' | 'runtime'>): string {
  const { receiverRules, transmitterRules, applicationACLs, networkACLs, mode } = withoutClosedPorts(
    policy,
    runtime.closedPorts,
  )
  const text = JSON.stringify({ receiverRules, transmitterRules, applicationACLs, networkACLs, mode })
  return createHash('sha256').update(text).digest('hex')
}

/** Whether a port at which the PU accepted connections is closed now. */
export function closesOpenPort(before: PURuntime | undefined, { closedPorts = [] }: PURuntime): boolean {
  if (!before) return false
  const { ports, closedPorts: closedBefore = [] } = before
  const isIn = (ranges: readonly PortRange[], port: number) =>
    ranges.some(({ first, last }) => first <= port && port <= last)
  return closedPorts.some(({ first, last }) => {
    for (let port = first; port <= last; port++)
      if (isIn(ports, port) && !isIn(closedBefore, port)) return true
    return false
  })
}
