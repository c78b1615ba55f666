import { existsSync } from 'node:fs'
import { KernelError } from '@trireme/core'
import type { Family } from './family.js'
import { EMPTY_LAYOUT } from './layout.js'
import { LegacyTables } from './legacy-tables.js'
import { sectionsOf } from './listed-tables.js'
import { NftTables } from './nft-tables.js'
import { runProgram } from './run-program.js'

/** Which of the two kernel interfaces the rules go to; `auto`: the one that the host's `iptables` uses. */
export type Backend = 'auto' | 'nft' | 'legacy'

/**
 * The kernel's rules and sets, as iptables' and ipset's own programs show and change them. The seam for tests. What cannot be read
 * completely is an error: an answer that there is nothing means that there is nothing.
 */
export interface Iptables {
  /** Whether the kernel has the protocol; it may get it later. */
  has(family: Family): Promise<boolean>
  /**
   * In `iptables-save` format, our tables complete. A rule of others that iptables cannot express stands by its handle.
   * @throws KernelError, or TriremeError `ERR_MISSING_CAPABILITY`, where one of them cannot be read completely.
   */
  save(family: Family): Promise<string>
  /**
   * Applies the input of `iptables-restore --noflush`. Each table of it takes effect as a whole or not at all, but for one with
   * rules of others that iptables cannot read: see `NftTables`.
   * @throws KernelError with what the program said.
   */
  restore(family: Family, input: string): Promise<void>
  /** The table `filter` of bridges in `ebtables-save` format, empty where nobody has used it. @throws KernelError. */
  saveFrames(): Promise<string>
  /** Applies the input of `ebtables-restore --noflush`, as `restore` does. @throws KernelError. */
  restoreFrames(input: string): Promise<void>
  /** Whether packets that a bridge carries from one of its ports to another pass the rules of the family. */
  seesBridges(family: Family): Promise<boolean>
  /**
   * All sets of addresses (ipset), with the number of rules that use each.
   * @throws KernelError where the list is cut; TriremeError `ERR_MISSING_CAPABILITY` where there is no ipset to ask.
   */
  listSets(): Promise<ReadonlyMap<string, number>>
  /**
   * Applies the input of `ipset restore` line by line; what is there already is no failure.
   * @throws KernelError with what the program said; the lines before the refused one have taken effect.
   */
  restoreSets(input: string): Promise<void>
}

export interface IptablesOptions {
  readonly backend: Backend
  /** Path of a network namespace; the process's own without it. */
  readonly netns?: string | undefined
}

/** Another program may hold the legacy lock for a while, but not for ever. */
const LOCK_WAIT_SECONDS = 30
const RESTORE_ARGS = ['--noflush', '-w', String(LOCK_WAIT_SECONDS)]
/** In every namespace, from the moment at which the kernel has IPv6 (`net/ipv6/addrconf.c`). */
const IPV6_SIGN = '/proc/net/if_inet6'

/** Runs the programs of the Debian packages iptables and ipset, in the namespace if there is one. */
export function iptables({ backend, netns }: IptablesOptions): Iptables {
  const run = async (program: string, args: readonly string[], input = '') =>
    (await runProgram({ program, args, input, netns })).stdout
  const tables = new Map<Family, Promise<NftTables | LegacyTables>>()
  const tablesOf = (family: Family) => {
    const known = tables.get(family) ?? openTables(family, { backend, netns })
    tables.set(family, known)
    // A program that is missing may be installed later.
    known.catch(() => tables.delete(family))
    return known
  }
  const frames = new NftTables({
    ...{ family: 'bridge', tables: ['filter'], netns },
    ...{ save: 'ebtables-nft-save', restore: 'ebtables-nft-restore', restoreArgs: ['--noflush'] },
  })
  return {
    has: async family => family === 'IPv4' || existsSync(IPV6_SIGN),
    save: async family => (await tablesOf(family)).save(),
    restore: async (family, input) => (await tablesOf(family)).restore(input),
    saveFrames: async () => sectionsOf(await frames.save()).get('filter') ?? '',
    restoreFrames: input => frames.restore(input),
    async seesBridges(family) {
      const setting = `/proc/sys/net/bridge/bridge-nf-call-${family === 'IPv4' ? 'iptables' : 'ip6tables'}`
      // Without br_netfilter there is no such file.
      const value = await run('cat', [setting]).catch(() => '')
      return value.trim() === '1'
    },
    async listSets() {
      return parseSets(await run('ipset', ['list', '-terse']))
    },
    async restoreSets(input) {
      await run('ipset', ['restore', '-exist'], input)
    },
  }
}

/** The interface that a set of rules is not in: rules of an earlier choice may be left there. */
export async function otherBackend(family: Family, { backend }: IptablesOptions): Promise<'nft' | 'legacy'> {
  const { isNft } = await interfaceOf(family, backend)
  return isNft ? 'legacy' : 'nft'
}

async function openTables(
  family: Family,
  { backend, netns }: IptablesOptions,
): Promise<NftTables | LegacyTables> {
  const { name, isNft } = await interfaceOf(family, backend)
  const programs = {
    ...{ save: `${name}-save`, restore: `${name}-restore`, restoreArgs: RESTORE_ARGS },
    ...{ tables: Object.keys(EMPTY_LAYOUT), netns },
  }
  if (!isNft) return new LegacyTables(programs)
  return new NftTables({ ...programs, family: family === 'IPv4' ? 'ip' : 'ip6', show: name })
}

interface KernelInterface {
  /** What the names of its programs start with. */
  readonly name: string
  readonly isNft: boolean
}

/** The host's own choice says by its version which one it is; one that cannot even say that gives way to nf_tables. */
async function interfaceOf(family: Family, backend: Backend): Promise<KernelInterface> {
  const host = family === 'IPv4' ? 'iptables' : 'ip6tables'
  if (backend !== 'auto') return { name: `${host}-${backend}`, isNft: backend === 'nft' }
  const versionOf = async (name: string) =>
    (await runProgram({ program: `${name}-save`, args: ['-V'] })).stdout
  try {
    return { name: host, isNft: /nf_tables/.test(await versionOf(host)) }
  } catch (error) {
    const name = `${host}-nft`
    return versionOf(name).then(
      () => ({ name, isNft: true }),
      // The reason is that of the host's choice.
      () => Promise.reject(error),
    )
  }
}

function parseSets(text: string): ReadonlyMap<string, number> {
  const sets = [...text.matchAll(/^Name: (\S+)$(?:(?!^Name: ).)*?^References: (\d+)$/gms)]
  if (sets.length < [...text.matchAll(/^Name: /gm)].length) {
    throw new KernelError({ op: 'ipset', errno: 'EPROTO', detail: 'it did not list all sets to their end' })
  }
  return new Map(sets.map(([, name = '', references]) => [name, Number(references)]))
}
