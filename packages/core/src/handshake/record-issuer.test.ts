import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { RecordClaims, TokenEngine } from '../plugin.js'
import { manualClock } from '../testing/manual-clock.js'
import { newTestTokenEngine } from '../testing/test-token-engine.js'
import { sha256 } from './key-schedule.js'
import { MAX_RECORD_BYTES } from './overlay.js'
import { RecordIssuer } from './record-issuer.js'

const web = { puID: 'web', tags: [{ key: 'app', value: 'web' }] }

let clock = manualClock()
let engine = newTestTokenEngine()
let keyID = 'key-1'
let errors: [string, unknown][] = []
let issuer: RecordIssuer

function newIssuer(withEngine: TokenEngine = engine): RecordIssuer {
  return new RecordIssuer({
    serverID: 'host-a',
    engine: withEngine,
    keyID: () => keyID,
    now: clock.now,
    onError: (contextID, error) => void errors.push([contextID, error]),
  })
}

beforeEach(() => {
  clock = manualClock()
  engine = newTestTokenEngine()
  keyID = 'key-1'
  errors = []
  issuer = newIssuer()
})

function claimsOf(bytes: Uint8Array): RecordClaims {
  return JSON.parse(Buffer.from(bytes).toString())
}

describe('the first record', () => {
  it('says who, where, how long, and is recognized as our own', async () => {
    await issuer.add('pu-1', web)
    const record = issuer.current('pu-1')!
    const seconds = clock.now() / 1000
    expect(claimsOf(record.bytes)).toMatchObject({
      issuer: 'host-a',
      puID: 'web',
      tags: web.tags,
      notBefore: seconds,
      notAfter: seconds + 180,
      ephemeralKey: Buffer.from(record.ephemeral.publicKey).toString('hex'),
    })
    expect(record).toMatchObject({ hash: sha256(record.bytes), keyID: 'key-1', notAfter: seconds + 180 })
    expect(issuer.isOwn(sha256(record.bytes))).toBe(true)
    expect(issuer.isOwn(sha256(Buffer.from('another record')))).toBe(false)
  })

  it('has an ephemeral key of its own per PU and per issue', async () => {
    await issuer.add('pu-1', web)
    await issuer.add('pu-2', web)
    const first = issuer.current('pu-1')!
    clock.advance(60_000)
    await issuer.add('pu-1', web)
    const keys = [first, issuer.current('pu-1')!, issuer.current('pu-2')!].map(record =>
      Buffer.from(record.ephemeral.publicKey).toString('hex'),
    )
    expect(new Set(keys).size).toBe(3)
  })

  it('stays where only the policy changed, until it is due or says something else', async () => {
    await issuer.add('pu-1', web)
    const first = issuer.current('pu-1')!
    clock.advance(59_999)
    await issuer.add('pu-1', { ...web, tags: [...web.tags] })
    expect(issuer.current('pu-1')).toBe(first)
    const others = [
      { puID: 'web-2', tags: web.tags },
      { puID: 'web-2', tags: [{ key: 'app', value: 'db' }] },
      { puID: 'web-2', tags: [] },
    ]
    const seen = new Set([first])
    for (const subject of others) {
      await issuer.add('pu-1', subject)
      expect(claimsOf(issuer.current('pu-1')!.bytes)).toMatchObject(subject)
      seen.add(issuer.current('pu-1')!)
    }
    keyID = 'key-2'
    await issuer.add('pu-1', others[2]!)
    expect(seen.add(issuer.current('pu-1')!).size).toBe(5)
    issuer.remove('pu-1')
    await issuer.add('pu-1', others[2]!)
    expect(seen.add(issuer.current('pu-1')!).size).toBe(6)
  })

  it('is refused for a reserved tag, and nothing is replaced', async () => {
    await issuer.add('pu-1', web)
    const before = issuer.current('pu-1')
    for (const key of ['@sys:port', '@sys:issuer', '@anything', '$sys:port']) {
      const tags = [...web.tags, { key, value: '8080' }]
      await expect(issuer.add('pu-1', { puID: 'web', tags })).rejects.toMatchObject({
        code: 'ERR_INVALID_TAG',
      })
    }
    expect(issuer.current('pu-1')).toBe(before)
  })

  it('is refused where it does not fit a packet, with its size and its largest tags', async () => {
    const tags = [
      { key: 'small', value: 'x' },
      { key: 'largest', value: 'x'.repeat(900) },
      { key: 'second', value: 'x'.repeat(300) },
    ]
    const refusal = issuer.add('pu-1', { puID: 'web', tags })
    await expect(refusal).rejects.toMatchObject({ code: 'ERR_IDENTITY_TOO_LARGE' })
    const error: Error = await refusal.catch(reason => reason)
    expect(error.message).toMatch(/has 1\d{3} bytes, at most 1124 fit/)
    expect(error.message).toContain('largest (908 bytes), second (307 bytes), small (7 bytes)')
    expect(issuer.current('pu-1')).toBeUndefined()
  })

  it('may have exactly as many bytes as fit', async () => {
    const exact = { ...engine, issue: () => new Uint8Array(MAX_RECORD_BYTES) }
    await newIssuer(exact).add('pu-1', web)
    const more = { ...engine, issue: () => new Uint8Array(MAX_RECORD_BYTES + 1) }
    await expect(newIssuer(more).add('pu-1', web)).rejects.toMatchObject({ code: 'ERR_IDENTITY_TOO_LARGE' })
  })
})

describe('renewal', () => {
  it('takes place at 60 s, not before', async () => {
    await issuer.add('pu-1', web)
    const first = issuer.current('pu-1')
    clock.advance(59_999)
    await issuer.renew()
    expect(issuer.current('pu-1')).toBe(first)
    clock.advance(1)
    await issuer.renew()
    expect(issuer.current('pu-1')).not.toBe(first)
    expect(issuer.current('pu-1')!.notAfter).toBe(clock.now() / 1000 + 180)
  })

  it('keeps the previous record until the next one is there', async () => {
    let answer: (bytes: Uint8Array) => void = () => {}
    const slow = { ...engine, issue: () => new Promise<Uint8Array>(resolve => (answer = resolve)) }
    const waiting = newIssuer(slow)
    const added = waiting.add('pu-1', web)
    answer(Buffer.from('first'))
    await added
    clock.advance(60_000)
    const renewed = waiting.renew()
    const again = waiting.renew()
    expect(Buffer.from(waiting.current('pu-1')!.bytes).toString()).toBe('first')
    answer(Buffer.from('second'))
    await Promise.all([renewed, again])
    expect(Buffer.from(waiting.current('pu-1')!.bytes).toString()).toBe('second')
    expect(waiting.isOwn(sha256(Buffer.from('first')))).toBe(true)
  })

  it('that fails is told, leaves the record until it expires, and is tried again', async () => {
    await issuer.add('pu-1', web)
    const first = issuer.current('pu-1')
    const failure = new Error('the key is away')
    engine.mockIssue(() => Promise.reject(failure))
    clock.advance(60_000)
    await issuer.renew()
    expect(errors).toEqual([['pu-1', failure]])
    clock.advance(119_999)
    expect(issuer.current('pu-1')).toBe(first)
    clock.advance(1)
    expect(issuer.current('pu-1')).toBeUndefined()
    // Who asks in vain has it tried again.
    await issuer.renew()
    engine.mockIssue(() => Buffer.from('new'))
    await issuer.renew()
    expect(issuer.current('pu-1')).toBeDefined()
  })

  it('takes place at once where the clock was set back', async () => {
    let now = clock.now()
    const options = { serverID: 'host-a', engine, keyID: () => keyID, onError: () => {} }
    issuer = new RecordIssuer({ ...options, now: () => now })
    await issuer.add('pu-1', web)
    now -= 3_600_000
    await issuer.renew()
    expect(issuer.current('pu-1')!.notAfter).toBe(now / 1000 + 180)
  })

  it('can be forced, when the secrets changed', async () => {
    await issuer.add('pu-1', web)
    keyID = 'key-2'
    await issuer.renew(true)
    expect(issuer.current('pu-1')!.keyID).toBe('key-2')
  })

  it('that is forced while one is under way is followed by another: the first may bear the old certificate', async () => {
    await issuer.add('pu-1', web)
    const answers: ((bytes: Uint8Array) => void)[] = []
    engine.mockIssue(() => new Promise<Uint8Array>(resolve => answers.push(resolve)))
    clock.advance(60_000)
    void issuer.renew()
    const forced = issuer.renew(true)
    answers[0]!(Buffer.from('signed before the change'))
    await vi.waitFor(() => expect(answers).toHaveLength(2))
    answers[1]!(Buffer.from('signed after it'))
    await forced
    expect(Buffer.from(issuer.current('pu-1')!.bytes).toString()).toBe('signed after it')
    expect(answers).toHaveLength(2)
  })

  it('follows the first record that was being signed when the secrets changed', async () => {
    const answers: ((bytes: Uint8Array) => void)[] = []
    engine.mockIssue(() => new Promise<Uint8Array>(resolve => answers.push(resolve)))
    const added = issuer.add('pu-1', web)
    await issuer.renew(true)
    answers[0]!(Buffer.from('old'))
    await added
    await vi.waitFor(() => expect(answers).toHaveLength(2))
    answers[1]!(Buffer.from('new'))
    await vi.waitFor(() => expect(Buffer.from(issuer.current('pu-1')!.bytes).toString()).toBe('new'))
  })

  it('signs again where the key changed while an engine was signing', async () => {
    let isFirst = true
    engine.mockIssue(async () => {
      if (isFirst) keyID = 'key-2'
      isFirst = false
      return Buffer.from(`signed beside ${keyID}`)
    })
    await issuer.add('pu-1', web)
    expect(issuer.current('pu-1')!.keyID).toBe('key-2')
    expect(engine.calls.filter(call => call.method === 'issue')).toHaveLength(2)
  })

  it('forgets a hash as our own when no verifier takes the record any more', async () => {
    await issuer.add('pu-1', web)
    const { hash } = issuer.current('pu-1')!
    clock.advance(210_000)
    await issuer.renew()
    expect(issuer.isOwn(hash)).toBe(true)
    clock.advance(1)
    await issuer.renew()
    expect(issuer.isOwn(hash)).toBe(false)
  })
})

it('a removed PU has no record, also where its renewal was under way', async () => {
  await issuer.add('pu-1', web)
  clock.advance(60_000)
  const renewed = issuer.renew()
  issuer.remove('pu-1')
  await renewed
  expect(issuer.current('pu-1')).toBeUndefined()
})
