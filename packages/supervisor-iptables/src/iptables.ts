import { type ExecFileException, execFile } from 'node:child_process'
import { KernelError, TriremeError } from '@trireme/core'
import type { Family } from './family.js'

/** Which of the two kernel interfaces the rules go to; `auto`: the one that the host's `iptables` uses. */
export type Backend = 'auto' | 'nft' | 'legacy'

/** The kernel's rules and sets, as iptables' and ipset's own programs show and change them. The seam for tests. */
export interface Iptables {
  /** All tables of the family in `iptables-save` format. */
  save(family: Family): Promise<string>
  /**
   * Applies the input of `iptables-restore --noflush`. Each table of it takes effect as a whole or not at all.
   * @throws KernelError with what the program said.
   */
  restore(family: Family, input: string): Promise<void>
  /** The table `filter` of bridges in `ebtables-save` format, empty where nobody has used it. @throws KernelError. */
  saveFrames(): Promise<string>
  /** Applies the input of `ebtables-restore --noflush` as a whole or not at all. @throws KernelError. */
  restoreFrames(input: string): Promise<void>
  /** Whether packets that a bridge carries from one of its ports to another pass the rules of the family. */
  seesBridges(family: Family): Promise<boolean>
  /** All sets of addresses (ipset), with the number of rules that use each. None where there is no ipset. */
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
  readonly netns?: string
}

/** Another program may hold the legacy lock for a while, but not for ever. */
const LOCK_WAIT_SECONDS = 30
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024
/** Of a program that `nsenter` could not find, as of one that a shell could not. */
const EXIT_NOT_FOUND = 127

/** Runs the programs of the Debian package iptables, in the namespace if there is one. */
export function iptables({ backend, netns }: IptablesOptions): Iptables {
  const run = (program: string, args: readonly string[], input = '') =>
    runProgram({ program, args, input, ...(netns === undefined ? {} : { netns }) })
  return {
    save: family => run(programOf(family, backend, 'save'), []),
    async restore(family, input) {
      await run(programOf(family, backend, 'restore'), ['--noflush', '-w', String(LOCK_WAIT_SECONDS)], input)
    },
    async saveFrames() {
      return (await run('ebtables-nft-save', [])).split('*filter\n')[1] ?? ''
    },
    async restoreFrames(input) {
      await run('ebtables-nft-restore', ['--noflush'], input)
    },
    async seesBridges(family) {
      const setting = `/proc/sys/net/bridge/bridge-nf-call-${family === 'IPv4' ? 'iptables' : 'ip6tables'}`
      // Without br_netfilter there is no such file.
      const value = await run('cat', [setting]).catch(() => '')
      return value.trim() === '1'
    },
    async listSets() {
      return parseSets(await run('ipset', ['list', '-terse']).catch(nothingWithoutProgram))
    },
    async restoreSets(input) {
      await run('ipset', ['restore', '-exist'], input)
    },
  }
}

function programOf(family: Family, backend: Backend, task: 'save' | 'restore'): string {
  const name = family === 'IPv4' ? 'iptables' : 'ip6tables'
  return backend === 'auto' ? `${name}-${task}` : `${name}-${backend}-${task}`
}

function parseSets(text: string): ReadonlyMap<string, number> {
  const sets = text.matchAll(/^Name: (\S+)$.*?^References: (\d+)$/gms)
  return new Map([...sets].map(([, name = '', references]) => [name, Number(references)]))
}

function nothingWithoutProgram(error: unknown): string {
  if (error instanceof TriremeError && error.code === 'ERR_MISSING_CAPABILITY') return ''
  throw error
}

interface Run {
  readonly program: string
  readonly args: readonly string[]
  readonly input: string
  readonly netns?: string
}

function runProgram(run: Run): Promise<string> {
  const { program, args, input, netns } = run
  const [file, ...rest] = netns === undefined ? [program] : ['nsenter', `--net=${netns}`, '--', program]
  return new Promise((resolve, reject) => {
    const child = execFile(
      file ?? program,
      [...rest, ...args],
      { maxBuffer: MAX_OUTPUT_BYTES },
      (error, stdout, stderr) => {
        if (error) reject(failureOf(run, error, stderr))
        else resolve(stdout)
      },
    )
    // A program that stops reading has failed, and its exit status says so better than EPIPE.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}

function failureOf({ program, input, netns }: Run, error: ExecFileException, stderr: string): Error {
  const status = error.code
  const missing = status === 'ENOENT' ? (netns === undefined ? program : 'nsenter') : undefined
  if (missing !== undefined || (status === EXIT_NOT_FOUND && netns !== undefined)) {
    return missingProgram(missing ?? program, error)
  }
  const errno = typeof status === 'number' ? `exit ${status}` : String(status ?? error.signal)
  const detail = [stderr.trim(), failedLine(stderr, input)].filter(part => part !== '').join(' ')
  return new KernelError({ op: program, errno, detail, cause: error })
}

function missingProgram(program: string, cause: unknown): TriremeError {
  const debianPackage = { nsenter: 'util-linux', ipset: 'ipset' }[program] ?? 'iptables'
  return new TriremeError(
    'ERR_MISSING_CAPABILITY',
    `${program} is not installed: install the Debian package ${debianPackage}`,
    { cause },
  )
}

/** The programs name a line of their input by number alone. */
function failedLine(stderr: string, input: string): string {
  const number = /line:? (\d+)/.exec(stderr)?.[1]
  const line = number === undefined ? undefined : input.split('\n')[Number(number) - 1]
  return line ? `(line ${number}: ${line})` : ''
}
