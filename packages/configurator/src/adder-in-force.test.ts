import { type PublicKeyAdder, pskSecrets, type Secrets } from '@trireme/core'
import { expect, it } from 'vitest'
import { adderInForce } from './adder-in-force.js'

it('adds as long as its secrets are in force, and says so when they are not', () => {
  const calls: string[] = []
  const handedOut: Secrets & PublicKeyAdder = Object.assign(pskSecrets({ key: Buffer.alloc(32, 1) }), {
    publicKeyAdd: (host: string) => void calls.push(`add ${host}`),
    publicKeyRemove: (host: string) => void calls.push(`remove ${host}`),
  })
  let inForce: readonly Secrets[] = [handedOut]
  const adder = adderInForce(handedOut, () => inForce)
  adder.publicKeyAdd('host-b', 'PEM')
  adder.publicKeyRemove('host-b')
  inForce = [pskSecrets({ key: Buffer.alloc(32, 2) })]
  expect(() => adder.publicKeyAdd('host-c', 'PEM')).toThrow('publicKeyAdd: updateSecrets has replaced')
  expect(() => adder.publicKeyRemove('host-c')).toThrow(expect.objectContaining({ code: 'ERR_SECRET' }))
  expect(calls).toEqual(['add host-b', 'remove host-b'])
})
