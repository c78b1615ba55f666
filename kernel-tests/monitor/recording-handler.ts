import type { ProcessingUnitsHandler, PUEvent, PURuntime } from '@trireme/core'

/** A handler that takes note of everything, and at an event does what a test tells it to. */
export class RecordingHandler implements ProcessingUnitsHandler {
  readonly runtimes = new Map<string, PURuntime>()
  readonly events: string[] = []
  /** Rejecting refuses the event. */
  onEvent: (contextID: string, event: PUEvent) => void | Promise<void> = () => {}

  setPURuntime(contextID: string, runtime: PURuntime): void {
    this.runtimes.set(contextID, runtime)
  }

  async handlePUEvent(contextID: string, event: PUEvent): Promise<void> {
    this.events.push(`${event} ${contextID}`)
    await this.onEvent(contextID, event)
  }

  /** The events of one PU, in their order. */
  eventsOf(contextID: string): readonly string[] {
    return this.events.filter(event => event.endsWith(` ${contextID}`)).map(event => event.split(' ')[0]!)
  }
}
