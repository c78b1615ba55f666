import { describe, expect, it } from 'vitest'
import { TcpPacket } from '../packet/tcp-packet.js'
import { tcpPacket } from '../testing/index.js'
import type { ClientFlow } from './flow.js'
import type { Path } from './path.js'
import { Refusals } from './refusals.js'
import type { FlowReport } from './reporter.js'
import { ClientHandshakes } from './tables/client-handshakes.js'

const ISN = 0xffffffff

function scene(stage: ClientFlow['stage'] = 'syn-sent') {
  const reports: FlowReport[] = []
  const clients = new ClientHandshakes(() => {})
  const reset = parsed(0)
  const flow = { key: reset.reverseFlowKey(), id: 'f', isn: ISN, stage, pu: { contextID: 'pu' } }
  clients.add(flow as ClientFlow, 0)
  const reporter = { report: (report: FlowReport) => void reports.push(report) }
  return { refusals: new Refusals({ clients, reporter } as unknown as Path), reports }
}

function parsed(acknowledgement: number): TcpPacket {
  const ends = { source: '192.0.2.2', destination: '192.0.2.1', sourcePort: 8080, destinationPort: 40_000 }
  const bytes = tcpPacket({ ...ends, flags: ['RST', 'ACK'], acknowledgement })
  const packet = new TcpPacket()
  expect(packet.parse(bytes, 0, bytes.length)).toBeUndefined()
  return packet
}

describe('a reset that the kernel told of', () => {
  it('is reported once, under the flow of the SYN that it answers', () => {
    const { refusals, reports } = scene()
    refusals.note(parsed(0))
    refusals.note(parsed(0))
    expect(reports).toMatchObject([
      { role: 'client', flowID: 'f', decision: { verdict: 'reject', reason: 'refused' } },
    ])
  })

  it('is not reported where it does not answer the SYN, or after our own refusal', () => {
    const stray = scene()
    stray.refusals.note(parsed(5))
    expect(stray.reports).toEqual([])
    const refused = scene('refused')
    refused.refusals.note(parsed(0))
    expect(refused.reports).toEqual([])
  })
})
