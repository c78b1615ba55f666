import { type PUCaller, type PURequest, TriremeError } from '@trireme/core'

/** A PU that has a context ID and no process. */
export interface AnnouncedPU {
  readonly request: PURequest
  readonly owner: number
}

/** Whoever announces more has forgotten the earlier ones. Of each user, so that none of them is in the way of another, or of root. */
const MAX_ANNOUNCED = 1000

/** PUs that were created and not started, or stopped. */
export class AnnouncedPUs {
  readonly #pus = new Map<string, AnnouncedPU>()

  /** @throws TriremeError `ERR_NOT_PERMITTED` for one too many. */
  add(contextID: string, pu: AnnouncedPU): void {
    const earlier = [...this.#pus.values()].filter(({ owner }) => owner === pu.owner)
    if (earlier.length >= MAX_ANNOUNCED) {
      throw new TriremeError(
        'ERR_NOT_PERMITTED',
        `${MAX_ANNOUNCED} PUs are created and not started: destroy some`,
      )
    }
    this.#pus.set(contextID, pu)
  }

  /** @throws TriremeError `ERR_PU_UNKNOWN` also for somebody else's, so that nothing is told about it. */
  get(contextID: string, caller: PUCaller): AnnouncedPU {
    const pu = this.#pus.get(contextID)
    if (pu && (caller.uid === 0 || caller.uid === pu.owner)) return pu
    throw new TriremeError('ERR_PU_UNKNOWN', `PU ${contextID}: none of this name is created and not running`)
  }

  remove(contextID: string): void {
    this.#pus.delete(contextID)
  }
}
