import { expect, it } from 'vitest'
import { readQueueStatistics } from './queue-statistics.js'

it('reads the table of the queues', () => {
  const text =
    '   10 2924514163     3 2 65531    20     7       41  1\n   11    812     0 0     0     0     0        0  1\n'
  expect(readQueueStatistics(text)).toEqual([
    {
      queue: 10,
      peerPort: 2924514163,
      depth: 3,
      copyMode: 2,
      copyRange: 65531,
      queueDropped: 20,
      userDropped: 7,
      idSequence: 41,
    },
    expect.objectContaining({ queue: 11, depth: 0 }),
  ])
})

it('leaves out what is no line of it', () => {
  expect(readQueueStatistics('')).toEqual([])
  expect(readQueueStatistics('queue portid\n1 2 3\n')).toEqual([])
})
