/** What is checked: the model as it should be in each configuration, and the mutants that must each break a property. */

/** Bounds: 2 connections of the client on one tuple, 2 half-open sockets of the server's kernel, 2 nonces a side. */
const ATTACKER = ['ATTACKER', 'CLIENT_ISNS=2', 'SERVER_ISNS=2', 'NONCES=3']
/** More sockets and nonces than any run of these bounds uses; the model asserts that. */
const HONEST = ['SERVER_ISNS=5', 'NONCES=9', 'DOUBLES=1']
const HONEST_WITH_RESTART = [...HONEST, 'LOSSES=2', 'RESTARTS=1']
const ONE_NAMESPACE = 'ONE_NAMESPACE'

/** `isEndless` looks for runs that go on for ever instead of wrong states. */
export const bases = [
  { name: 'two hosts, attacker', defines: ATTACKER },
  { name: 'two hosts, honest wire', defines: HONEST_WITH_RESTART },
  { name: 'one namespace, attacker', defines: [...ATTACKER, ONE_NAMESPACE] },
  { name: 'one namespace, honest wire', defines: [...HONEST_WITH_RESTART, ONE_NAMESPACE] },
  {
    name: 'two hosts, no endless exchange',
    defines: [...HONEST, 'LOSSES=1', 'RESTARTS=0'],
    isEndless: true,
  },
  {
    name: 'one namespace, no endless exchange',
    defines: [...HONEST, 'LOSSES=1', 'RESTARTS=0', ONE_NAMESPACE],
    isEndless: true,
  },
]

/** `breaks` is a variable of the property that must fail, so that a mutant does not die of something else. */
export const mutants = [
  // Drafts and earlier systems.
  { name: 'NO_ROLE_LABEL', breaks: 'macsOut', base: ATTACKER },
  { name: 'MARK_ON_REPLY', breaks: 'authorizedS', base: ATTACKER },
  { name: 'REUSE_KEEPS_AUTH', breaks: 'authorizedS', base: ATTACKER },
  { name: 'SYNACK_UNCHECKED', breaks: 'authenticC', base: ATTACKER },
  { name: 'CLIENT_HOLDS_DATA', breaks: 'ticks', base: HONEST_WITH_RESTART },
  { name: 'SHARED_AUTH', breaks: 'authorizedS', base: [...ATTACKER, ONE_NAMESPACE] },
  // What the model itself brought to light.
  { name: 'OLD_ANSWERS_HOLD', breaks: 'authorizedS', base: ATTACKER },
  { name: 'DEMOTED_BY_VERDICT', breaks: 'authorizedS', base: ATTACKER },
  {
    name: 'RELEASE_ON_LOOPBACK',
    breaks: 'authorizedS',
    base: [...ATTACKER, ONE_NAMESPACE, 'SENT_IF_SHARED'],
  },
  { name: 'SENT_IF_SHARED', breaks: 'ticks', base: [...HONEST_WITH_RESTART, ONE_NAMESPACE] },
].map(({ name, breaks, base }) => ({ name, breaks, defines: [...base, name] }))
