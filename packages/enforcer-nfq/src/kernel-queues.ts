import { readFileSync, statSync } from 'node:fs'
import { type QueueStatistics, readQueueStatistics } from './netlink/queue-statistics.js'

/** What the kernel says of the queues of one PU, or of the queue that all PUs of a namespace share. */
export interface KernelQueue {
  /** Packets that wait for their verdict now. */
  readonly waiting: number
  /** Packets that were dropped because the queue or the socket's buffer was full. */
  readonly dropped: number
}

/**
 * The queues of a network namespace, that of this process without `netns`. Another one is seen through a process in it; undefined
 * where there is none that can be asked.
 */
export function readKernelQueues(
  netns: string | undefined,
  pid: number | undefined,
): readonly QueueStatistics[] | undefined {
  try {
    const process = netns === undefined ? 'thread-self' : String(pid)
    if (netns !== undefined && (pid === undefined || !isInside(pid, netns))) return undefined
    return readQueueStatistics(readFileSync(`/proc/${process}/net/netfilter/nfnetlink_queue`, 'utf8'))
  } catch (error) {
    // The process has ended, or only root may look.
    if (error instanceof Error && 'code' in error) return undefined
    throw error
  }
}

/** Several queues as one. */
export function kernelQueue(queues: readonly QueueStatistics[]): KernelQueue {
  const sum = (of: (queue: QueueStatistics) => number) =>
    queues.reduce((total, queue) => total + of(queue), 0)
  return {
    waiting: sum(({ depth }) => depth),
    dropped: sum(({ queueDropped, userDropped }) => queueDropped + userDropped),
  }
}

/** A process ID may be somebody else's by now. */
function isInside(pid: number, netns: string): boolean {
  const [its, wanted] = [statSync(`/proc/${pid}/ns/net`), statSync(netns)]
  return its.ino === wanted.ino && its.dev === wanted.dev
}
