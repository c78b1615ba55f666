/**
 * The cgroup of the service to which a cgroup belongs, else the cgroup itself. systemd runs a unit's control commands in
 * `UNIT/.control` where the unit may make cgroups of its own (Delegate=, systemd.resource-control(5)).
 */
export function unitCgroup(cgroup: string): string {
  const parts = cgroup.split('/')
  const at = parts.findLastIndex(part => part.endsWith('.service'))
  return at < 0 ? cgroup : parts.slice(0, at + 1).join('/')
}
