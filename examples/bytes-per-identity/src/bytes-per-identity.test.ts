import { expect, it } from 'vitest'
import { bytesPerIdentity } from './bytes-per-identity.js'

it('adds up the bytes of each peer, and vetoes nothing', () => {
  const processor = bytesPerIdentity()
  const packet = (length: number) => ({ contextID: 'web', bytes: new Uint8Array(length) })
  const from = (id: string) => ({ verdict: 'accept', peer: { id, tags: [] } }) as const
  expect(processor.postProcessTCPNetPacket?.(packet(100), from('frontend'))).toBe(true)
  expect(processor.postProcessTCPAppPacket?.(packet(40), from('frontend'))).toBe(true)
  expect(processor.postProcessTCPNetPacket?.(packet(60), { verdict: 'reject' })).toBe(true)
  expect([...processor.bytes]).toEqual([
    ['frontend', 140],
    ['', 60],
  ])
})
