import { beforeEach, describe, expect, it } from 'vitest'
import type { SecretSuite, TokenEngine } from '../plugin.js'
import { nullSecrets } from '../secrets/null.js'
import { pskSecrets } from '../secrets/psk.js'
import { manualClock } from '../testing/manual-clock.js'
import { newTestTokenEngine } from '../testing/test-token-engine.js'
import { HandshakeSet } from './handshake-set.js'
import { encodeAck } from './overlay.js'

const web = { puID: 'web', tags: [{ key: 'app', value: 'web' }] }
const clock = manualClock()

function suite(encodingCode: number, differences: Partial<TokenEngine> = {}): SecretSuite {
  const tokenEngine = {
    ...newTestTokenEngine(),
    encoding: `test-${encodingCode}`,
    encodingCode,
    ...differences,
  }
  return { secrets: pskSecrets({ key: new Uint8Array(32).fill(encodingCode) }), tokenEngine }
}

const nothing: SecretSuite = { secrets: nullSecrets({ allow: true }), tokenEngine: newTestTokenEngine() }

function newSet(...suites: readonly SecretSuite[]): HandshakeSet {
  return new HandshakeSet(suites, { serverID: 'host-a', now: clock.now, onError: () => {} })
}

function claimed(byte: number): Uint8Array {
  const overlay = encodeAck(new Uint8Array(8), new Uint8Array(32))
  overlay[4] = byte
  return overlay
}

let set: HandshakeSet
beforeEach(() => {
  set = newSet(suite(1), suite(2))
})

describe('the suites of a node', () => {
  it('the first opens connections, each answers for its own byte, and the first for nobody’s', () => {
    expect(set.sending.suite).toEqual({ modeCode: 1, encodingCode: 1 })
    expect(set.answering(claimed(0x12)).suite).toEqual({ modeCode: 1, encodingCode: 2 })
    expect(set.answering(claimed(0x1f))).toBe(set.sending)
    expect(set.answering(new Uint8Array(3))).toBe(set.sending)
    expect(set.of({ modeCode: 1, encodingCode: 2 })).toBe(set.answering(claimed(0x12)))
    expect(set.of({ modeCode: 2, encodingCode: 2 })).toBeUndefined()
  })

  it('are refused where there is none, one twice, or null beside another', () => {
    expect(() => newSet()).toThrow('suites: none')
    expect(() => newSet(suite(1), suite(1))).toThrow('two of mode psk with tokens test-1')
    expect(() => newSet(suite(1), nothing)).toThrow('null beside another')
    expect(() => newSet(nothing, suite(1))).toThrow(expect.objectContaining({ code: 'ERR_SECRET' }))
    expect(newSet(nothing).sending.suite.modeCode).toBe(15)
  })

  it.each(['', 'a\0b', 'jwt ', 'é'])('are refused where the encoding is named %j', encoding => {
    expect(() => newSet(suite(1, { encoding }))).toThrow(
      expect.objectContaining({ code: 'ERR_TOKEN_ENGINE' }),
    )
  })

  it('are refused where the key is not this node’s', () => {
    const { secrets, tokenEngine } = suite(1)
    const stranger = { ...secrets, signer: () => expect.fail('issued to "host-b"') }
    expect(() => newSet({ secrets: { ...stranger, mode: 'psk' } as never, tokenEngine })).toThrow('host-b')
  })
})

describe('the records of a PU', () => {
  it('are there in every suite, and go in every suite', async () => {
    await set.add('pu', web)
    const handshakes = [set.sending, set.answering(claimed(0x12))]
    const records = handshakes.map(({ issuer }) => issuer.current('pu')!)
    expect(records[0]!.keyID).not.toBe(records[1]!.keyID)
    expect(records.map(({ hash }) => set.isOwn(hash))).toEqual([true, true])
    set.remove('pu')
    expect(handshakes.map(({ issuer }) => issuer.current('pu'))).toEqual([undefined, undefined])
  })

  it('are replaced in none where one suite refuses', async () => {
    let isLarge = false
    const engine = newTestTokenEngine()
    const issue: TokenEngine['issue'] = claims => (isLarge ? new Uint8Array(2000) : engine.issue(claims))
    set = newSet(suite(1), suite(2, { issue }))
    await set.add('pu', web)
    const before = set.sending.issuer.current('pu')
    isLarge = true
    const changed = { ...web, puID: 'changed' }
    await expect(set.add('pu', changed)).rejects.toMatchObject({ code: 'ERR_IDENTITY_TOO_LARGE' })
    expect(set.sending.issuer.current('pu')).toBe(before)
  })
})

describe('a replacement', () => {
  it('has every PU’s record before it counts, and knows the former ones as our own', async () => {
    await set.add('pu', web)
    const before = set.sending.issuer.current('pu')!
    const second = set.answering(claimed(0x12)).issuer.current('pu')!
    expect(set.isSuperseded('pu', set.sending.suite, before)).toBe(false)
    const { suite: former } = set.sending
    await set.replace([suite(2), suite(3)])
    const now = set.sending.issuer.current('pu')!
    expect(set.sending.suite.encodingCode).toBe(2)
    expect(now.hash.equals(second.hash)).toBe(false)
    expect([set.isOwn(second.hash), set.isOwn(before.hash)]).toEqual([true, false])
    expect(set.isSuperseded('pu', former, before)).toBe(true)
    expect(set.of(former)).toBeUndefined()
  })

  it('changes nothing where a record does not fit', async () => {
    await set.add('pu', web)
    const { sending } = set
    const issue = () => new Uint8Array(2000)
    await expect(set.replace([suite(3, { issue })])).rejects.toMatchObject({ code: 'ERR_IDENTITY_TOO_LARGE' })
    await expect(set.replace([])).rejects.toMatchObject({ code: 'ERR_SECRET' })
    expect(set.sending).toBe(sending)
    expect(sending.issuer.current('pu')).toBeDefined()
  })

  it('misses no PU that comes, changes or goes while an engine signs', async () => {
    const release: (() => void)[] = []
    const engine = newTestTokenEngine()
    const issue: TokenEngine['issue'] = async claims => {
      await new Promise<void>(resolve => release.push(resolve))
      return engine.issue(claims)
    }
    await set.add('pu-1', web)
    await set.add('pu-2', web)
    let isDone = false
    const replaced = set.replace([suite(3, { issue })]).then(() => {
      isDone = true
    })
    await set.add('pu-1', { ...web, puID: 'changed' })
    await set.add('pu-3', web)
    set.remove('pu-2')
    while (!isDone) {
      for (const next of release.splice(0)) next()
      await new Promise(resolve => setImmediate(resolve))
    }
    await replaced
    const { issuer } = set.sending
    expect(['pu-1', 'pu-2', 'pu-3'].map(id => issuer.current(id) !== undefined)).toEqual([true, false, true])
    expect(Buffer.from(issuer.current('pu-1')!.bytes).toString()).toContain('changed')
  })

  it('is followed by a PU that was being added', async () => {
    const release: (() => void)[] = []
    const engine = newTestTokenEngine()
    let isSlow = false
    const issue: TokenEngine['issue'] = async claims => {
      if (isSlow) await new Promise<void>(resolve => release.push(resolve))
      return engine.issue(claims)
    }
    set = newSet(suite(1, { issue }))
    isSlow = true
    const added = set.add('pu', web)
    await set.replace([suite(2)])
    for (const next of release) next()
    await added
    expect(set.sending.issuer.current('pu')).toBeDefined()
    expect(set.sending.suite.encodingCode).toBe(2)
  })

  it('follows changes of the new secrets and no longer those of the old', async () => {
    const [old, next] = [suite(1), suite(2)]
    set = newSet(old)
    set.listen()
    await set.add('pu', web)
    await set.replace([next])
    const before = set.sending.issuer.current('pu')!
    const replaceKeys = (of: SecretSuite, fill: number) =>
      (of.secrets as ReturnType<typeof pskSecrets>).replaceKeys([new Uint8Array(32).fill(fill)])
    replaceKeys(old, 9)
    await new Promise(resolve => setImmediate(resolve))
    expect(set.sending.issuer.current('pu')).toBe(before)
    replaceKeys(next, 9)
    await new Promise(resolve => setImmediate(resolve))
    expect(set.sending.issuer.current('pu')!.keyID).not.toBe(before.keyID)
    set.close()
  })
})
