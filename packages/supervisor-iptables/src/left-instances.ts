import { readFile } from 'node:fs/promises'
import { AddressSetKeeper } from './address-set-keeper.js'
import { chainNamesOf, chainPrefix } from './chain-names.js'
import { FAMILIES } from './family.js'
import { FrameGuard } from './frame-guard.js'
import { type Iptables, type IptablesOptions, iptables } from './iptables.js'
import { RuleKeeper } from './rule-keeper.js'
import { everyBackend } from './rules-survey.js'
import { isMissingProgram, runProgram } from './run-program.js'

/** Rules or sets that an instance of some server ID has in a network namespace. */
export interface FoundInstance {
  /** What its chains and sets start with: `chainPrefix` of its server ID. */
  readonly prefix: string
  /** A process serves one of the queues that its rules name: most likely it is in use. */
  readonly isServed: boolean
}

/** One line for each bound queue, its number first (`net/netfilter/nfnetlink_queue.c`). */
const QUEUES_FILE = '/proc/net/netfilter/nfnetlink_queue'

/**
 * All instances of which there are rules or sets, through either kernel interface.
 * @throws KernelError where a list cannot be read completely.
 */
export async function findInstances({
  netns,
}: Pick<IptablesOptions, 'netns'> = {}): Promise<readonly FoundInstance[]> {
  const listings = await listAll(await everyBackend({ backend: 'auto', netns }))
  const served = await servedQueues(netns)
  const prefixes = new Set(listings.flatMap(text => text.match(/\bTRI-[0-9a-f]{6}-/g) ?? []))
  return [...prefixes].sort().map(prefix => ({
    prefix,
    isServed: listings.some(text => queuesOf(text, prefix).some(queue => served.has(queue))),
  }))
}

/**
 * Removes the rules and sets of one instance, whatever its server ID, through either kernel interface. Idempotent.
 * @throws KernelError naming what is still there.
 */
export async function removeInstance(
  prefix: string,
  { netns }: Pick<IptablesOptions, 'netns'> = {},
): Promise<void> {
  const names = chainNamesOf(prefix)
  for (const programs of await everyBackend({ backend: 'auto', netns })) {
    await new RuleKeeper(programs, names).removeAll().catch(unlessMissing)
  }
  const programs = iptables({ backend: 'auto', netns })
  const frames = new FrameGuard(programs, prefix)
  frames.expectOthers()
  await frames.retain(new Map()).catch(unlessMissing)
  await new AddressSetKeeper(programs, prefix).removeAll()
}

/** Whether the instance is that of this server ID. */
export function isInstanceOf({ prefix }: FoundInstance, serverID: string): boolean {
  return prefix === chainPrefix(serverID)
}

async function listAll(backends: readonly Iptables[]): Promise<readonly string[]> {
  const ofFamilies = backends.flatMap(programs =>
    FAMILIES.map(async family => ((await programs.has(family)) ? programs.save(family) : '')),
  )
  const [programs] = backends
  const others = [programs?.saveFrames(), programs?.listSets().then(sets => [...sets.keys()].join('\n'))]
  const all = [...ofFamilies, ...others].map(listing => Promise.resolve(listing).catch(unlessMissing))
  return (await Promise.all(all)).map(text => text ?? '')
}

/** A program that is not installed has made nothing. */
function unlessMissing(error: unknown): undefined {
  if (isMissingProgram(error)) return undefined
  throw error
}

function queuesOf(saved: string, prefix: string): readonly number[] {
  return saved
    .split('\n')
    .filter(line => line.startsWith(`-A ${prefix}`))
    .flatMap(line => /--queue-(?:num|balance) (\d+)/.exec(line)?.[1] ?? [])
    .map(Number)
}

async function servedQueues(netns: string | undefined): Promise<ReadonlySet<number>> {
  const text =
    netns === undefined
      ? await readFile(QUEUES_FILE, 'utf8').catch(noSuchFile)
      : (await runProgram({ program: 'cat', args: [QUEUES_FILE], netns }).catch(noQueues)).stdout
  return new Set([...text.matchAll(/^\s*(\d+)/gm)].map(([, queue]) => Number(queue)))
}

/** The kernel has the file once it knows queues at all. */
function noSuchFile(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return ''
  throw error
}

function noQueues(error: unknown) {
  if (/No such file/.test(String(error))) return { stdout: '' }
  throw error
}
