import { formatTag, type PURecord } from '@trireme/core'
import type { Log } from './log.js'

/** One line in the log for an event of a PU, a failure as a warning; then one for each of its warnings. */
export function logPUEvent(log: Log, { contextID, event, tags, reason, warnings = [] }: PURecord): void {
  const text = ['PU', contextID, event, ...tags.map(formatTag)].join(' ')
  if (reason === undefined) log.info(text)
  else log.warn(`${text}: ${reason}`)
  for (const warning of warnings) log.warn(`PU ${contextID}: ${warning}`)
}
