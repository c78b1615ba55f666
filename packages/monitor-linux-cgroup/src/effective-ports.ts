import type { PortRange, PURuntime } from '@trireme/core'

/** What was asked for of a PU's ports. */
export interface PortPlan {
  readonly declared: readonly PortRange[]
  /** Whether it may accept where it was found listening without having declared it. */
  readonly discover: boolean
}

/** The ports by which a PU is found that listens on these: declared ones, and the others, which are closed unless discovered. */
export function effectivePorts(
  { declared, discover }: PortPlan,
  listening: readonly number[],
): Pick<PURuntime, 'ports' | 'closedPorts'> {
  const isDeclared = (port: number) => declared.some(({ first, last }) => first <= port && port <= last)
  const others = listening.filter(port => !isDeclared(port)).map(port => ({ first: port, last: port }))
  const ports = [...declared, ...others]
  return discover || others.length === 0 ? { ports } : { ports, closedPorts: others }
}
