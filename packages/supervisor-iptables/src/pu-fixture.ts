import {
  DENY_ALL,
  type FilterQueue,
  type IPRule,
  type PUInfo,
  type PUPolicy,
  type PURuntime,
} from '@trireme/core'

/** For tests: key 3, epoch 2, flow queue 4096. */
export const FILTER_QUEUE: FilterQueue = { flowQueue: 4096, commands: { key: 3, epoch: 2 } }

/** For tests: a PU by cgroup path, named for its context ID, without ports, that denies everything. */
export function testPU(
  contextID: string,
  policy: Partial<PUPolicy> = {},
  runtime: Partial<PURuntime> = {},
): PUInfo {
  return {
    contextID,
    policy: { ...DENY_ALL, ...policy },
    runtime: {
      kind: 'linux-process',
      name: contextID,
      tags: [],
      ports: [],
      isolation: { by: 'cgroup-path', path: `test/${contextID}` },
      ...runtime,
    },
  }
}

/** For tests: a rule over addresses. */
export function ipRule(
  action: IPRule['action'],
  networks: readonly string[],
  rest: Partial<IPRule> = {},
): IPRule {
  return { name: 'test', networks, ports: [], protocol: 'any', action, ...rest }
}
