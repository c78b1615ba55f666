import { isReservedTagKey } from '@trireme/core'
import type { KernelQueue } from '@trireme/enforcer-nfq'
import { describeAuth } from './auth/describe-auth.js'
import { printable } from './printable.js'
import type { PUStatus, StatusReport } from './status-report.js'

const HEADINGS = ['ID', 'NAME', 'KIND', 'PID', 'MODE', 'PORTS', 'TAGS']
/** Peers that are refused again and again; `--json` shows all. */
const MAX_REFUSALS = 10

/**
 * A status report for people, in sections: the daemon, its PUs, what was counted, who is refused again and again, what needs attention.
 * @param width columns to which tags are cut. Default: they are shown whole.
 */
export function statusText(report: StatusReport, width?: number): string {
  const sections: readonly (readonly [string, readonly string[]])[] = [
    ['daemon', daemonLines(report)],
    [`PUs: ${report.pus.length || 'none'}`, puLines(report.pus, width)],
    ['counters', counterLines(report)],
    ['refused again and again', refusalLines(report)],
    ['problems', report.problems],
  ]
  return sections
    .filter(([heading, lines]) => lines.length > 0 || heading.startsWith('PUs'))
    .map(([heading, lines]) => [heading, ...lines.map(line => `  ${printable(line)}`)].join('\n'))
    .join('\n\n')
    .concat('\n')
}

function daemonLines(report: StatusReport): readonly string[] {
  const { serverID, version, tokens, authorization, policy } = report
  return [
    `${serverID} is ready: trireme ${version}, mode ${describeAuth(report)}, tokens ${tokens}, authorization ${authorization}`,
    `policy ${policy.file}: ${policy.rules} rules, digest ${policy.digest}, in force since ${policy.since}`,
    ...warnings(report),
  ]
}

function warnings({ mode, accepts, bind }: StatusReport): readonly string[] {
  const isPSK = mode === 'psk' || accepts.includes('psk')
  return [
    ...(isPSK ? ['note: any holder of the pre-shared key can claim any identity'] : []),
    ...(bind === 'strict'
      ? []
      : [`note: bind is ${bind}: a host that a client can be made to dial may speak in its name`]),
    ...(mode === 'null' ? ['note: nobody is authenticated: anyone can claim any identity'] : []),
  ]
}

function puLines(pus: readonly PUStatus[], width: number | undefined): readonly string[] {
  if (pus.length === 0) return []
  return table([HEADINGS, ...pus.map(cells)]).map(line => (width === undefined ? line : cut(line, width - 2)))
}

function cells({ id, name, kind, pid, mode, tags, ports }: PUStatus): readonly string[] {
  const own = tags.filter(tag => !isReservedTagKey(tag))
  return [id, name, kind, String(pid ?? '-'), mode, ports.join(' ') || '-', own.join(' ') || '-']
}

function cut(line: string, width: number): string {
  const shown = [...printable(line)]
  return shown.length <= width ? line : `${shown.slice(0, Math.max(width - 1, 1)).join('')}…`
}

function counterLines({ counters, queue, pus }: StatusReport): readonly string[] {
  return [
    `flows: ${countersText(counters) || 'none yet'}`,
    ...(queue ? [`queue of all PUs on the host's network: ${queueText(queue)}`] : []),
    ...pus.flatMap(pu => {
      const text = [pu.queue && queueText(pu.queue), countersText(pu.counters)].filter(Boolean).join('; ')
      return text === '' ? [] : [`PU ${pu.id} (${pu.name}): ${text}`]
    }),
  ]
}

/** The most frequent first. */
function refusalLines({ refusals }: StatusReport): readonly string[] {
  const repeated = refusals.filter(({ count }) => count > 1)
  const rest = repeated.length - MAX_REFUSALS
  return [
    ...repeated.slice(0, MAX_REFUSALS).map(({ contextID, role, address, issuer, reason, count, last }) => {
      const way = role === 'client' ? `PU ${contextID} → ${address}` : `${address} → PU ${contextID}`
      return `${way}${issuer && ` (${issuer})`}: ${reason}, ${count} times, last at ${last}`
    }),
    ...(rest > 0 ? [`and ${rest} more: trireme status --json`] : []),
  ]
}

function queueText({ waiting, dropped }: KernelQueue): string {
  return `${waiting} waiting, ${dropped} dropped`
}

function countersText(counters: Readonly<Record<string, number>>): string {
  return Object.entries(counters)
    .filter(([, count]) => count !== 0)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
}

function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map(row => row[column]!.length)))
  return rows.map(row =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  )
}
