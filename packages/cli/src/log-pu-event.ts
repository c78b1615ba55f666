import { formatTag, isReservedTagKey, type PURecord } from '@trireme/core'
import type { Log } from './log.js'

/**
 * One line in the log for an event of a PU, without what the host says of it, a failure as a warning; then one for each of its
 * warnings.
 */
export function logPUEvent(log: Log, { contextID, event, tags, reason, warnings = [] }: PURecord): void {
  const own = tags.filter(({ key }) => !isReservedTagKey(key))
  const text = ['PU', contextID, event, ...own.map(formatTag)].join(' ')
  if (reason === undefined) log.info(text)
  else log.warn(`${text}: ${reason}`)
  for (const warning of warnings) log.warn(`PU ${contextID}: ${warning}`)
}
