import type { MonitorProblem } from '@trireme/monitor-linux-cgroup'
import { messageOf } from './failure.js'
import type { Log } from './log.js'

const EXPLANATIONS: Readonly<Record<MonitorProblem['kind'], string>> = {
  'context-unreadable': 'its state could not be read; its processes go on without an identity',
  'not-enforced': 'not enforced again; its earlier rules stay, and all rules of ended PUs with them',
  'not-watched': 'its end may be seen late',
  'not-removed': 'ended, and could not be removed completely',
}

const MAX_PROBLEMS = 100

/** What went wrong with single PUs while the daemon went on: logged once each, and kept for the status. */
export class Problems {
  readonly #log: Log
  readonly #found = new Map<string, MonitorProblem>()

  constructor(log: Log) {
    this.#log = log
  }

  add(problem: MonitorProblem): void {
    const key = `${problem.kind} ${problem.contextID}`
    if (this.#found.has(key)) return
    this.#found.set(key, problem)
    const [oldest] = this.#found.keys()
    if (this.#found.size > MAX_PROBLEMS && oldest !== undefined) this.#found.delete(oldest)
    this.#log.error(sentence(problem))
  }

  has(kind: MonitorProblem['kind']): boolean {
    return [...this.#found.values()].some(problem => problem.kind === kind)
  }

  /** One sentence each, oldest first. */
  list(): readonly string[] {
    return [...this.#found.values()].map(sentence)
  }
}

function sentence({ kind, contextID, error }: MonitorProblem): string {
  return `PU ${contextID}: ${EXPLANATIONS[kind]} (${messageOf(error)})`
}
