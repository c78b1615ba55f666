import { readProcessFacts } from '@trireme/monitor-linux-cgroup'
import {
  chainPrefix,
  type ForeignMarkUse,
  type ForeignRule,
  findInstances,
  type RulesSurvey,
  surveyRules,
} from '@trireme/supervisor-iptables'
import { CommandFailure, EXIT } from './failure.js'
import { type Instance, listInstances, liveNeighbours } from './instance-registry.js'

/** Of each kind so many are named, and the rest counted: another program may have thousands. */
const MAX_NAMED = 3

/** @throws CommandFailure naming the daemon, of whatever server ID, that enforces in this network namespace. */
export async function assertAlone(): Promise<void> {
  const [other] = await liveNeighbours()
  if (!other) return
  const { serverID, pid, socket, networkNamespace } = other
  throw new CommandFailure(
    EXIT.environment,
    `the daemon of server ID ${serverID} (process ID ${pid}, socket ${socket}) enforces in this network namespace ` +
      `(${networkNamespace}): stop it first, or start this one in another namespace`,
  )
}

/** A sentence for each earlier server ID of which rules are left in this network namespace. */
export async function leftOverProblems(serverID: string): Promise<readonly string[]> {
  const own = await readProcessFacts('self')
  const known = (await listInstances()).filter(each => each.networkNamespace === own?.networkNamespace)
  const others = (await findInstances()).filter(({ prefix }) => prefix !== chainPrefix(serverID))
  return others.map(
    ({ prefix }) =>
      `rules of ${nameOf(prefix, known)} are left here: they keep refusing what was enforced then; ` +
      'remove them with `trireme uninstall --all` once no daemon runs, and start this one again',
  )
}

/** A sentence for each thing of others that keeps the rules from their work. */
export async function neighbourProblems(): Promise<readonly string[]> {
  return surveyProblems(await surveyRules({ backend: 'auto' }))
}

/** The same of a survey. */
export function surveyProblems({ missingFamilies, untracked, marks }: RulesSurvey): readonly string[] {
  return [
    ...missingFamilies.map(
      family => `${family}: this kernel does not have it; only the other family is enforced until it does`,
    ),
    ...few(
      untracked,
      rule => `${describe(rule)} keeps packets from connection tracking: PUs' connections in it do not open`,
    ),
    ...few(marks, rule => `${describe(rule)} changes bits of ours in the ${rule.mark} mark (${bits(rule)})`),
  ]
}

function few<R extends ForeignRule>(rules: readonly R[], sentenceOf: (rule: R) => string): readonly string[] {
  const named = rules.slice(0, MAX_NAMED).map(sentenceOf)
  const more = rules.length - named.length
  return more === 0 ? named : [...named, `and ${more} more rules like this: ${sentenceOf(rules.at(-1)!)}`]
}

function describe({ program, table, chain, rule }: ForeignRule): string {
  return `${program ?? 'another program'}: ${table} ${chain}: ${JSON.stringify(rule)}`
}

function bits({ overlap }: ForeignMarkUse): string {
  return `0x${overlap.toString(16)}: the two cannot share it`
}

function nameOf(prefix: string, known: readonly Instance[]): string {
  const instance = known.find(({ serverID }) => chainPrefix(serverID) === prefix)
  return instance
    ? `server ID ${instance.serverID} (chains ${prefix}…)`
    : `an unknown server ID (chains ${prefix}…)`
}
