import type { FlowRecord, PURecord } from './flow.js'
import type { EventCollector } from './plugin.js'

/** Takes note of nothing. */
export const noCollector: EventCollector = {
  collectFlowEvent() {},
  collectPUEvent() {},
}

/**
 * Hands every record to each collector, in this order. One that throws harms neither the others nor the caller; its first
 * error becomes a process warning (`TriremeCollectorWarning`), later ones of the same collector do not.
 */
export function collectors(...list: readonly EventCollector[]): EventCollector {
  const isolated = list.map(isolate)
  return {
    collectFlowEvent(record) {
      for (const collector of isolated) collector.collectFlowEvent(record)
    },
    collectPUEvent(record) {
      for (const collector of isolated) collector.collectPUEvent(record)
    },
  }
}

function isolate(collector: EventCollector): EventCollector {
  let hasWarned = false
  const guard = (collect: () => void) => {
    try {
      collect()
    } catch (error) {
      if (hasWarned) return
      hasWarned = true
      process.emitWarning(`an event collector threw: ${String(error)}`, 'TriremeCollectorWarning')
    }
  }
  return {
    collectFlowEvent: (record: FlowRecord) => guard(() => collector.collectFlowEvent(record)),
    collectPUEvent: (record: PURecord) => guard(() => collector.collectPUEvent(record)),
  }
}
