import { formatTag, type PURecord } from '@trireme/core'
import type { Log } from './log.js'

/** One line in the log for an event of a PU; a failure as a warning. */
export function logPUEvent(log: Log, { contextID, event, tags, reason }: PURecord): void {
  const text = ['PU', contextID, event, ...tags.map(formatTag)].join(' ')
  if (reason === undefined) log.info(text)
  else log.warn(`${text}: ${reason}`)
}
