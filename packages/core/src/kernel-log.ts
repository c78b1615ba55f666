import type { DropReason } from './flow.js'

/**
 * What a rule of the kernel did with a packet of a PU without asking the enforcer: the prefix of the NFLOG message by which the
 * enforcer hears of it. `observe`: it passed, and would have been denied.
 */
export interface KernelDecision {
  /** Names the PU within its network namespace. */
  readonly queueNumber: number
  readonly outcome: 'accept' | 'observe' | 'adopt' | `drop.${DropReason}`
}

const OUTCOMES: readonly string[] = [
  'accept',
  'observe',
  'adopt',
  'drop.policy',
  'drop.mid-stream',
  'drop.state',
] satisfies KernelDecision['outcome'][]

/** `4097-drop.mid-stream`: below the 63 characters that a prefix may have (`linux/netfilter/xt_NFLOG.h`). */
export function formatKernelDecision({ queueNumber, outcome }: KernelDecision): string {
  return `${queueNumber}-${outcome}`
}

/** Undefined for the prefix of another program's message, or of none. */
export function parseKernelDecision(prefix: string): KernelDecision | undefined {
  const [, queue, outcome = ''] = /^(\d{1,5})-([a-z.-]+)$/.exec(prefix) ?? []
  return isOutcome(outcome) ? { queueNumber: Number(queue), outcome } : undefined
}

function isOutcome(text: string): text is KernelDecision['outcome'] {
  return OUTCOMES.includes(text)
}
