import { isReservedTagKey } from '@trireme/core'
import type { KernelQueue } from '@trireme/enforcer-nfq'
import { describeAuth } from './auth/describe-auth.js'
import { printable } from './printable.js'
import type { PUStatus, StatusReport } from './status-report.js'

const HEADINGS = ['ID', 'NAME', 'KIND', 'PID', 'MODE', 'TAGS', 'PORTS', 'QUEUE', 'COUNTERS']

/** A status report for people. */
export function statusText(report: StatusReport): string {
  const { serverID, version, tokens, authorization, pus, counters, problems } = report
  const lines = [
    `${serverID} is ready: trireme ${version}, mode ${describeAuth(report)}, tokens ${tokens}, authorization ${authorization}`,
    ...warnings(report),
    ...problems.map(problem => `problem: ${problem}`),
    `flows: ${countersText(counters) || 'none yet'}`,
    ...(report.queue ? [`queue of all PUs on the host's network: ${queueText(report.queue)}`] : []),
    ...(pus.length === 0 ? ['no PUs'] : table([HEADINGS, ...pus.map(cells)])),
  ]
  return lines.map(line => `${printable(line)}\n`).join('')
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

function cells(pu: PUStatus): readonly string[] {
  const { id, name, kind, pid, mode, tags, ports, queue, counters } = pu
  return [
    id,
    name,
    kind,
    String(pid ?? '-'),
    mode,
    tags.filter(tag => !isReservedTagKey(tag)).join(' ') || '-',
    ports.join(' ') || '-',
    queue ? queueText(queue) : '-',
    countersText(counters) || '-',
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
