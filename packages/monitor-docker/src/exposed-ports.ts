import type { PortRange } from '@trireme/core'
import type { ContainerInspection } from './container-inspection.js'

/** The TCP ports that the image or `--expose` names, in order. */
export function exposedPorts(container: ContainerInspection): readonly PortRange[] {
  const ports = Object.keys(container.Config.ExposedPorts)
    .map(port => /^(\d+)(?:-(\d+))?(?:\/tcp)?$/.exec(port))
    .filter(match => match !== null)
    .map(([, first, last]) => ({ first: Number(first), last: Number(last ?? first) }))
  return ports.sort((a, b) => a.first - b.first)
}
