import type { Processes, ProcessIdentity } from './container-process.js'

/** Tells whether processes live on in network namespaces whose containers have ended. */
export class OutlivedNamespaces {
  readonly #processes: Processes
  /** A process that was found in each: as long as it is there nobody needs to search. */
  readonly #inhabitants = new Map<bigint, ProcessIdentity>()

  constructor(processes: Processes) {
    this.#processes = processes
  }

  /** Whether a process is inside: another container's, or one that `nsenter` put there. */
  async isInhabited(namespaceID: bigint): Promise<boolean> {
    const known = this.#inhabitants.get(namespaceID)
    if (known !== undefined && this.#processes.isInside(known, namespaceID)) return true
    const found = await this.#processes.findInside(namespaceID)
    if (found === undefined) this.#inhabitants.delete(namespaceID)
    else this.#inhabitants.set(namespaceID, found)
    return found !== undefined
  }
}
