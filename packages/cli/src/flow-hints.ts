import type { FlowJSON } from './flow-json.js'

/** What reason a record has, in words for who does not know the reasons by heart, and what to do about it. */
const EXPLANATIONS: Readonly<Record<string, string>> = {
  'no-listener': 'nobody listens there: the kernel refused, not the policy',
  'foreign-listener': 'another process than the PU listens there: run it as a PU, or stop it',
  misdirected: "dialled to an address that is not the receiver's: name it with --alias if it is",
  'stripped-or-unenforced': 'the peer showed no identity: run it as a PU',
  mode: 'the peer proves its identities in another way: see auth in both configurations',
  encoding: 'the peer encodes identities in another way: see tokens in both configurations',
  token: "the peer's identity does not verify: its keys are others",
  clock: 'the clocks of the two hosts differ',
  unanswered:
    'no answer: the peer has no daemon, or other keys, another encoding or another clock, or packets are lost on the way',
}

/** A sentence that explains a refusal, where there is more to say than rule and reason. */
export function flowHint({ verdict, reason, rule, destination, hint }: FlowJSON): string | undefined {
  if (verdict === 'accept') return undefined
  if (rule === 'closed port')
    return `the PU did not declare port ${destination.port}: run it with --port ${destination.port}`
  return hint ?? EXPLANATIONS[reason]
}
