import type { DropReason, FlowState } from '@trireme/core'

/** What becomes of a packet. Where `length` is not 0, the packet was rewritten into the data path's output buffer. */
export type Verdict =
  /** Let it pass; the connection keeps its state. */
  | { readonly action: 'accept'; readonly length: number }
  /** Put the connection into `state` and let the packet pass. */
  | { readonly action: 'set'; readonly state: FlowState; readonly length: number }
  /** Answer with a TCP reset computed from the packet as it stands. */
  | { readonly action: 'refuse'; readonly reason: DropReason; readonly length: number }
  /** Let it pass: it was rewritten into a reset, by which the receiver hears of the refusal. */
  | { readonly action: 'reset'; readonly reason: DropReason; readonly length: number }
  | { readonly action: 'drop'; readonly reason: DropReason }
  /** Ask again with the same packet when `until` has settled: a token engine is at work. */
  | { readonly action: 'hold'; readonly until: Promise<unknown> }

export const ACCEPT: Verdict = { action: 'accept', length: 0 }

export function accept(length: number): Verdict {
  return length === 0 ? ACCEPT : { action: 'accept', length }
}

export function setState(state: FlowState, length: number): Verdict {
  return { action: 'set', state, length }
}

export function refuse(reason: DropReason): (length: number) => Verdict {
  return length => ({ action: 'refuse', reason, length })
}

export function reset(reason: DropReason): (length: number) => Verdict {
  return length => ({ action: 'reset', reason, length })
}

export function drop(reason: DropReason): Verdict {
  return { action: 'drop', reason }
}

export function hold(until: Promise<unknown>): Verdict {
  return { action: 'hold', until }
}
