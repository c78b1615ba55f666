import { type PUCaller, type PURequest, type PURequestProcessor, TriremeError } from '@trireme/core'
import { assertOwnProcess } from './own-process.js'

/** Who carries out requests, by the type of PU. */
export class RequestProcessors implements PURequestProcessor {
  readonly #processors: ReadonlyMap<string, PURequestProcessor>

  constructor(processors: Readonly<Record<string, PURequestProcessor>>) {
    this.#processors = new Map(Object.entries(processors))
  }

  /** @throws TriremeError `ERR_UNSUPPORTED_KIND` for a type without a processor, `ERR_NOT_PERMITTED`, what the processor throws. */
  async handleRequest(request: PURequest, caller: PUCaller): Promise<{ readonly contextID: string }> {
    const processor = this.#processors.get(request.type)
    if (!processor) {
      const types = [...this.#processors.keys()].join(', ') || 'none'
      throw new TriremeError('ERR_UNSUPPORTED_KIND', `type ${request.type}: expected one of ${types}`)
    }
    if (request.pid !== undefined) await assertOwnProcess(request.pid, caller)
    return processor.handleRequest(request, caller)
  }
}
