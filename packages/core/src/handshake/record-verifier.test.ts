import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { DropReason } from '../flow.js'
import type { TokenEngine, VerifiedRecord } from '../plugin.js'
import { manualClock } from '../testing/manual-clock.js'
import { newTestTokenEngine } from '../testing/test-token-engine.js'
import { generateEphemeralKey } from './key-schedule.js'
import { type PeerRecord, RecordVerifierCache } from './record-verifier.js'

type Answer = VerifiedRecord | DropReason

let clock = manualClock()
let engine = newTestTokenEngine()
let cache: RecordVerifierCache
let errors: unknown[] = []

function newCache(withEngine: TokenEngine = engine): RecordVerifierCache {
  return new RecordVerifierCache({
    engine: withEngine,
    now: clock.now,
    onError: error => void errors.push(error),
  })
}

beforeEach(() => {
  clock = manualClock()
  engine = newTestTokenEngine()
  errors = []
  cache = newCache()
})

const seconds = () => clock.now() / 1000

function claims(differences: Partial<VerifiedRecord> = {}): VerifiedRecord {
  return {
    issuer: 'host-a',
    puID: 'web',
    tags: [{ key: 'app', value: 'web' }],
    ephemeralKey: generateEphemeralKey().publicKey,
    notBefore: seconds(),
    notAfter: seconds() + 180,
    keyID: 'key',
    signerNotAfter: seconds() + 86_400,
    ...differences,
  }
}

function record(differences: Partial<VerifiedRecord> = {}): Uint8Array {
  return engine.issue(claims(differences)) as Uint8Array
}

/** What a cache says of a record that an engine reads as these claims. */
function verdictOn(differences: Partial<VerifiedRecord>): unknown {
  engine.mockVerify(() => claims(differences))
  return newCache().verify(Buffer.from('a record'))
}

const verifications = () => engine.calls.filter(call => call.method === 'verify').length

describe('what is remembered', () => {
  it('is asked of the engine once', () => {
    const bytes = record()
    const first = cache.verify(bytes)
    expect(first).toMatchObject({ claims: { puID: 'web' } })
    expect(cache.verify(Uint8Array.from(bytes))).toBe(first)
    expect(verifications()).toBe(1)
    expect(cache.coldVerifications).toBe(1)
  })

  it('flaw 3: is found under every byte of the record, its signer included', () => {
    const bytes = record()
    const peer = cache.verify(bytes)
    for (let at = 0; at < bytes.length; at++) {
      const other = Uint8Array.from(bytes)
      other[at]! ^= 1
      expect(cache.verify(other)).not.toBe(peer)
    }
    expect(verifications()).toBe(1 + bytes.length)
    cache.verify(bytes.subarray(0, -1))
    expect(verifications()).toBe(2 + bytes.length)
  })

  it('a refusal, by the whole record', () => {
    const forged = Buffer.from('forged')
    expect([cache.verify(forged), cache.verify(forged)]).toEqual(['token', 'token'])
    expect(verifications()).toBe(1)
  })

  it('goes when a key does: accepted and refused alike', () => {
    const bytes = record()
    cache.verify(bytes)
    cache.verify(Buffer.from('forged'))
    cache.purge()
    engine.mockVerify(() => 'token')
    expect(cache.verify(bytes)).toBe('token')
    cache.verify(Buffer.from('forged'))
    expect(verifications()).toBe(4)
  })

  it('is bounded', () => {
    const plainClaims = claims()
    let asked = 0
    const verify = () => {
      asked++
      return plainClaims
    }
    const bounded = newCache({ ...engine, verify })
    for (let number = 0; number < 20_000; number++) bounded.verify(Buffer.from(`record ${number}`))
    bounded.verify(Buffer.from('record 0'))
    expect(asked).toBe(20_001)
    bounded.verify(Buffer.from('record 19999'))
    expect(asked).toBe(20_001)
  })

  it('is a copy: bytes that change later change nothing', () => {
    const bytes = record()
    let seen: Uint8Array = bytes
    const keeping = newCache({
      ...engine,
      verify: given => {
        seen = given
        return engine.verify(given)
      },
    })
    keeping.verify(bytes)
    bytes.fill(0)
    expect(seen.some(byte => byte !== 0)).toBe(true)
  })
})

describe('a record that a handshake under way relies on', () => {
  it('is judged again after a change of secrets, once for all handshakes', () => {
    const bytes = record()
    const peer = cache.verify(bytes) as PeerRecord
    expect(cache.faultNow(peer)).toBeUndefined()
    cache.purge()
    expect([cache.faultNow(peer), cache.faultNow(peer)]).toEqual([undefined, undefined])
    expect(verifications()).toBe(2)
    cache.purge()
    engine.mockVerify(() => 'token')
    expect([cache.faultNow(peer), cache.faultNow(peer)]).toEqual(['token', 'token'])
    expect(verifications()).toBe(3)
  })

  it('is judged by another verifier of the same suite, too, and held while its engine is at work', async () => {
    const peer = cache.verify(record()) as PeerRecord
    const next = newCache({ ...engine, verify: async bytes => engine.verify(bytes) })
    const pending = next.faultNow(peer)
    expect(pending).toBeInstanceOf(Promise)
    await pending
    expect(next.faultNow(peer)).toBeUndefined()
  })
})

describe('time', () => {
  it.each([
    ['20 s behind', -20, true],
    ['20 s ahead', 20, true],
    ['10 minutes behind', -600, false],
    ['10 minutes ahead', 600, false],
  ])('the peer’s clock is %s', (_, skew, isAccepted) => {
    const notBefore = seconds() + skew
    const bytes = record({ notBefore, notAfter: notBefore + 180 })
    const expected = isAccepted ? expect.objectContaining({ claims: expect.anything() }) : 'clock'
    expect(cache.verify(bytes)).toEqual(expected)
    expect(cache.verify(bytes)).toEqual(expected)
  })

  it('expiry is looked at on every use, also of a remembered record', () => {
    const bytes = record()
    const peer = cache.verify(bytes) as PeerRecord
    clock.advance(210_000)
    expect(cache.verify(bytes)).toBe(peer)
    expect(cache.faultNow(peer)).toBeUndefined()
    clock.advance(1)
    expect(cache.verify(bytes)).toBe('clock')
    expect(cache.faultNow(peer)).toBe('clock')
    expect(verifications()).toBe(1)
  })

  it('a refusal of the engine by the clock is not remembered: its certificate may begin later', () => {
    const bytes = Buffer.from('a record')
    engine.mockVerify(() => 'clock')
    expect(cache.verify(bytes)).toBe('clock')
    engine.mockVerify(() => claims())
    expect(cache.verify(bytes)).toMatchObject({ claims: { puID: 'web' } })
  })

  it('a record that is still to come becomes good when its time does, and is verified once', () => {
    const bytes = record({ notBefore: seconds() + 60, notAfter: seconds() + 240 })
    expect(cache.verify(bytes)).toBe('clock')
    clock.advance(30_000)
    expect(cache.verify(bytes)).toMatchObject({ claims: { puID: 'web' } })
    expect(verifications()).toBe(1)
  })

  it('the signer’s end counts without leeway, on a hit too', () => {
    expect(verdictOn({ signerNotAfter: seconds() - 1 })).toBe('clock')
    engine.mockVerify(() => claims({ signerNotAfter: seconds() + 10 }))
    const peer = cache.verify(Buffer.from('a record'))
    expect(peer).toMatchObject({ claims: {} })
    clock.advance(10_001)
    expect(cache.verify(Buffer.from('a record'))).toBe('clock')
  })

  it.each([
    ['301 s', 301],
    ['a year', 31_536_000],
    ['nothing', 0],
    ['less than nothing', -1],
    ['for ever', Number.POSITIVE_INFINITY],
    ['no number', Number.NaN],
  ])('flaw 17: a life of %s is refused', (_, life) => {
    expect(verdictOn({ notAfter: seconds() + life })).toBe('token')
  })

  it('a life of 300 s is not', () => {
    expect(verdictOn({ notAfter: seconds() + 300 })).toMatchObject({ claims: {} })
  })
})

describe('claims that no signature makes good', () => {
  it.each(['@sys:port', '@sys:issuer', '@', '$port'])('flaw 23: a tag %s', key => {
    const tags = [
      { key: 'app', value: 'web' },
      { key, value: '22' },
    ]
    expect(verdictOn({ tags })).toBe('token')
  })

  it.each([
    ['an ephemeral key of 31 bytes', { ephemeralKey: new Uint8Array(31) }],
    ['no issuer', { issuer: '' }],
    ['no PU', { puID: '' }],
  ])('%s', (_, differences) => {
    expect(verdictOn(differences)).toBe('token')
  })
})

describe('an engine that answers later', () => {
  let answers: { resolve: (answer: Answer) => void; reject: (error: unknown) => void }[] = []

  beforeEach(() => {
    answers = []
    engine.mockVerify(() => new Promise((resolve, reject) => void answers.push({ resolve, reject })))
  })

  it('is asked once by all who wait for the same record, and then never', async () => {
    const bytes = Buffer.from('a record')
    const first = cache.verify(bytes)
    expect(cache.verify(Buffer.from('a record'))).toBe(first)
    const good = claims()
    answers[0]!.resolve(good)
    expect(await first).toMatchObject({ claims: good })
    expect(cache.verify(bytes)).toMatchObject({ claims: good })
    expect(answers).toHaveLength(1)
  })

  it('whose answer is out of its time: the reason is known when the promise has settled', async () => {
    const bytes = Buffer.from('a record')
    const pending = cache.verify(bytes)
    answers[0]!.resolve(claims({ notBefore: seconds() - 600, notAfter: seconds() - 420 }))
    expect(await pending).toBe('clock')
    expect(cache.verify(bytes)).toBe('clock')
  })

  it('and rejects: told, internal, not remembered', async () => {
    const bytes = Buffer.from('a record')
    const failure = new Error('out of order')
    const pending = cache.verify(bytes)
    answers[0]!.reject(failure)
    expect(await pending).toBe('internal')
    expect(errors).toEqual([failure])
    const again = cache.verify(bytes)
    answers[1]!.resolve(claims())
    expect(await again).toMatchObject({ claims: {} })
  })

  it('is asked about a bounded number of records at once', async () => {
    const pending = Array.from({ length: 256 }, (_, number) => cache.verify(Buffer.from(`record ${number}`)))
    expect(cache.verify(Buffer.from('one more'))).toBe('overload')
    expect(cache.verify(Buffer.from('record 7'))).toBe(pending[7])
    for (const answer of answers) answer.resolve('token')
    await Promise.all(pending)
    expect(cache.verify(Buffer.from('one more'))).toBeInstanceOf(Promise)
    answers.at(-1)!.resolve('token')
  })

  it.each([
    ['good', () => claims(), { claims: { puID: 'web' } }],
    ['bad', () => 'token' as const, 'token'],
  ])('is asked again where the secrets changed meanwhile: the record is %s now', async (_, now, expected) => {
    const bytes = Buffer.from('a record')
    const pending = cache.verify(bytes)
    cache.purge()
    expect(cache.verify(bytes)).toBe(pending)
    answers[0]!.resolve(now() === 'token' ? claims() : 'token')
    await vi.waitFor(() => expect(answers).toHaveLength(2))
    answers[1]!.resolve(now())
    const answer = await pending
    if (typeof expected === 'string') expect(answer).toBe(expected)
    else expect(answer).toMatchObject(expected)
    expect(cache.verify(bytes)).toEqual(answer)
    expect(answers).toHaveLength(2)
  })

  it('and refuses by the clock: those who waited hear it, the next packet asks anew', async () => {
    const bytes = Buffer.from('a record')
    const pending = cache.verify(bytes)
    answers[0]!.resolve('clock')
    expect(await pending).toBe('clock')
    expect(cache.verify(bytes)).toBe('clock')
    await new Promise(resolve => setImmediate(resolve))
    const again = cache.verify(bytes)
    answers[1]!.resolve(claims())
    expect(await again).toMatchObject({ claims: { puID: 'web' } })
  })
})
