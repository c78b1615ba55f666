import type { DockerMonitorProblem } from '@trireme/monitor-docker'
import type { MonitorProblem } from '@trireme/monitor-linux-cgroup'
import type { RulesDisturbance } from '@trireme/supervisor-iptables'
import { messageOf } from './failure.js'
import type { Log } from './log.js'

const EXPLANATIONS: Readonly<Record<MonitorProblem['kind'], string>> = {
  'context-unreadable':
    'its state could not be read; its processes go on without an identity: start them anew with `trireme run`',
  'not-enforced':
    'not enforced again; its earlier rules stay, and all rules of ended PUs with them: mend the cause, then restart the daemon',
  'not-watched': 'its end, or what it listens on, may be seen late',
  'not-removed': 'ended, and could not be removed completely: mend the cause, then restart the daemon',
  'ports-not-enforced':
    'it listens on a port that cannot be given to it: declare the port with --port, or --port auto',
}

const OF_CONTAINERS: Readonly<Record<Exclude<DockerMonitorProblem['kind'], 'engine-back'>, string>> = {
  'label-refused': 'a label did not become a tag',
  'not-enforced': 'refused, and stopped or cut off',
  'cut-off': 'runs on without any network, until it starts anew',
  'not-refreshed': 'its new facts are not in force, the old ones are',
  'not-stopped': 'ended, and something of it remains until it is removed',
  'not-killed': 'must not run, and could not be stopped',
  'engine-awaited':
    'no engine answers yet; its containers are enforced once it does, those of the start gate before',
  'engine-lost': 'the engine is lost; what is enforced stays so',
  'event-unreadable': 'the engine sent what is no event',
}

const AWAITED = 'docker engine-awaited'
const MAX_PROBLEMS = 100

interface Found {
  readonly kind: MonitorProblem['kind'] | undefined
  readonly sentence: string
}

/** What went wrong with single PUs while the daemon went on: logged once each, and kept for the status. */
export class Problems {
  readonly #log: Log
  readonly #found = new Map<string, Found>()

  constructor(log: Log) {
    this.#log = log
  }

  add({ kind, contextID, error }: MonitorProblem): void {
    const sentence = `PU ${contextID}: ${EXPLANATIONS[kind]} (${messageOf(error)})`
    this.#note(`${kind} ${contextID}`, { kind, sentence })
  }

  /** An engine that is back is no problem any more. */
  addOfContainers({ kind, contextID, error }: DockerMonitorProblem): void {
    if (kind === 'engine-back') {
      this.#found.delete(AWAITED)
      this.#found.delete('docker engine-lost')
      this.#log.info('Docker: the engine is back')
      return
    }
    const where = contextID === undefined ? 'Docker' : `container ${contextID}`
    const sentence = `${where}: ${OF_CONTAINERS[kind]} (${messageOf(error)})`
    this.#note(`docker ${kind}${contextID === undefined ? '' : ` ${contextID}`}`, {
      kind: undefined,
      sentence,
    })
  }

  /**
   * What another program did to the rules is logged each time, of the status the last of it is shown: whoever does it once may do it
   * again.
   */
  addOfRules({ found, error }: RulesDisturbance): void {
    const what =
      found.length === 0 ? 'could not be looked at' : `changed by another program: ${found.join(', ')}`
    const outcome = error === undefined ? 'put right' : `not put right: ${messageOf(error)}`
    this.#found.delete('rules')
    this.#note('rules', { kind: undefined, sentence: `iptables rules: ${what} (${outcome})` })
  }

  /** What is wrong now of one group, instead of what was: each sentence is logged when it is new. */
  replace(group: string, sentences: readonly string[]): void {
    const keys = new Map(sentences.map(sentence => [`${group}: ${sentence}`, sentence]))
    for (const key of this.#found.keys()) {
      if (key.startsWith(`${group}: `) && !keys.has(key)) this.#found.delete(key)
    }
    for (const [key, sentence] of keys) this.#note(key, { kind: undefined, sentence })
  }

  /** The daemon runs on with what it knows. */
  addOfDisk(folder: string, error: unknown): void {
    const sentence = `${folder}: its disk takes nothing: what changes now is lost with the machine's power (${messageOf(error)})`
    this.#note(`disk ${folder}`, { kind: undefined, sentence })
  }

  /** Files that were read again and will not do, until they do. */
  addOfReload(part: string, error: string): void {
    this.#found.set(`reload ${part}`, {
      kind: undefined,
      sentence: `the ${part} in force stay as they were: ${error}: mend the files, then \`trireme reload\``,
    })
  }

  resolveReload(part: string): void {
    this.#found.delete(`reload ${part}`)
  }

  addOfReconciling(error: unknown): void {
    const sentence = `rules of PUs that have ended remain (${messageOf(error)})`
    this.#note('reconcile', { kind: undefined, sentence })
  }

  /** Of Linux processes. */
  has(kind: MonitorProblem['kind']): boolean {
    return [...this.#found.values()].some(problem => problem.kind === kind)
  }

  /** One sentence each, oldest first. */
  list(): readonly string[] {
    return Array.from(this.#found.values(), ({ sentence }) => sentence)
  }

  #note(key: string, problem: Found): void {
    if (this.#found.has(key)) return
    this.#found.set(key, problem)
    const [oldest] = this.#found.keys()
    if (this.#found.size > MAX_PROBLEMS && oldest !== undefined) this.#found.delete(oldest)
    this.#log.error(problem.sentence)
  }
}
