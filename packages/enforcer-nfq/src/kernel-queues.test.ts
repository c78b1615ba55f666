import process from 'node:process'
import { describe, expect, it } from 'vitest'
import { kernelQueue, readKernelQueues } from './kernel-queues.js'
import { readQueueStatistics } from './netlink/queue-statistics.js'

describe('the kernel’s queues', () => {
  it('tell what waits, and what was dropped for either reason', () => {
    const lines = readQueueStatistics(
      ' 4096  12345     1 2 65531     0     7      100  1\n 4097  12345     3 2 65531     4     5      100  1\n',
    )
    expect(kernelQueue(lines.slice(1))).toEqual({ waiting: 3, dropped: 9 })
    expect(kernelQueue(lines)).toEqual({ waiting: 4, dropped: 16 })
  })

  it('are not asked about through a process that is elsewhere, or none', () => {
    expect(readKernelQueues('/proc/self/ns/uts', process.pid)).toBeUndefined()
    expect(readKernelQueues('/proc/self/ns/net', undefined)).toBeUndefined()
    expect(readKernelQueues('/no/such/namespace', process.pid)).toBeUndefined()
  })
})
