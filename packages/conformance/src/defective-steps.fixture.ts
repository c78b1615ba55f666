/** The ways in which the defective engines of the tests are made out of the sound one. */
import { createHmac, createSecretKey } from 'node:crypto'
import type { RecordVerifier, Tags, TokenEngine, VerifiedRecord } from '@trireme/core'
import { isSignature, type Opened, type SealedSteps, SOUND, sealedTokens } from './sealed-tokens.fixture.js'
import type { TestTokenEngineOptions } from './test-token-engine.js'

/** An engine's factory. */
export type Setup = TestTokenEngineOptions['setup']

/** An engine with one thing wrong. */
export interface Defect {
  readonly what: string
  /** The check that must find it. */
  readonly title: string
  readonly setup: Setup
  /** Shows only where a credential travels. */
  readonly needsCredential?: boolean
}

/** The sound engine but for what is replaced. */
export function wrapped(change: (engine: TokenEngine) => Partial<TokenEngine>): Setup {
  return components => {
    const engine = sealedTokens()(components)
    return { ...engine, ...change(engine) }
  }
}

export function writing(change: (tags: Tags) => Tags): Setup {
  return sealedTokens({ writeTags: tags => SOUND.writeTags(change(tags)) })
}

export function values(change: (value: string) => string): Setup {
  return writing(tags => tags.map(({ key, value }) => ({ key, value: change(value) })))
}

export function reporting(change: (record: VerifiedRecord) => Partial<VerifiedRecord>): Setup {
  return sealedTokens({
    report(opened, verifier, bytes) {
      const record = SOUND.report(opened, verifier, bytes)
      return { ...record, ...change(record) }
    },
  })
}

export function opening(change: (record: Buffer) => Uint8Array): Setup {
  return sealedTokens({ open: (record, steps) => SOUND.open(change(Buffer.from(record)), steps) })
}

export function answeringShort(answer: string | undefined): Setup {
  return wrapped(engine => ({
    verify: record => (record.length < 64 ? (answer as 'token') : engine.verify(record)),
  }))
}

export function refusedAs(answer: () => RecordVerifier | 'token'): Setup {
  return sealedTokens({
    askVerifier(secrets, opened, encoding) {
      const verifier = SOUND.askVerifier(secrets, opened, encoding)
      return typeof verifier === 'string' ? answer() : verifier
    },
  })
}

export function comparesMAC(length: number): SealedSteps['isSigned'] {
  return ({ body, signature }, { key }) => {
    const compared = signature.subarray(0, length)
    return createHmac('sha256', key!).update(body).digest().subarray(0, compared.length).equals(compared)
  }
}

export function withAnySignature(record: Uint8Array, steps: SealedSteps): Opened | undefined {
  const end = headEnd(record)
  const opened = SOUND.open(Buffer.concat([record.subarray(0, end), Buffer.alloc(32)]), steps)
  return opened && { ...opened, signature: record.subarray(end) }
}

export function trustingTheRecord(
  { body, signature, algorithm }: Opened,
  { key, notAfter }: RecordVerifier,
): boolean {
  const isMisread = algorithm === 'HS256' && key?.type === 'public'
  const used = isMisread ? createSecretKey(key.export({ format: 'der', type: 'spki' })) : key
  return isSignature(body, signature, { algorithm, notAfter, ...(used && { key: used }) })
}

export function padding(engine: TokenEngine): Partial<TokenEngine> {
  return {
    issue: claims => Buffer.concat([engine.issue(claims) as Uint8Array, Buffer.alloc(2048)]),
    verify: record => engine.verify(record.subarray(0, record.length - 2048)),
  }
}

export function clearing(engine: TokenEngine): Partial<TokenEngine> {
  return {
    verify(record) {
      const answer = engine.verify(record)
      record.fill(0)
      return answer
    },
  }
}

export function pausing(engine: TokenEngine): Partial<TokenEngine> {
  return {
    async verify(record) {
      await Promise.resolve()
      return engine.verify(record)
    },
  }
}

export function lazyReport(): Setup {
  return sealedTokens({
    report(opened, verifier, bytes) {
      const record = SOUND.report(opened, verifier, bytes)
      const isThere = () => bytes[0] === 0x7b
      return Object.defineProperty({ ...record }, 'puID', {
        enumerable: true,
        get: () => (isThere() ? record.puID : 'overwritten'),
      })
    },
  })
}

export function sharing(engine: TokenEngine): Partial<TokenEngine> {
  const shared = Buffer.alloc(4096)
  return {
    issue(claims) {
      const record = engine.issue(claims) as Uint8Array
      shared.set(record)
      return shared.subarray(0, record.length)
    },
  }
}

export function cachingByPU(engine: TokenEngine): Partial<TokenEngine> {
  const issued = new Map<string, Uint8Array>()
  return {
    issue(claims) {
      const record = issued.get(claims.puID) ?? (engine.issue(claims) as Uint8Array)
      issued.set(claims.puID, record)
      return record
    },
  }
}

export function remembering(): Setup {
  const answers = new Map<string, VerifiedRecord>()
  return wrapped(engine => ({
    verify(record) {
      const name = Buffer.from(record).toString('latin1')
      const answer = answers.get(name) ?? (engine.verify(record) as VerifiedRecord)
      if (typeof answer !== 'string') answers.set(name, answer)
      return answer
    },
  }))
}

export function tagsOfText(text: string): Tags {
  const texts = text.split(',').filter(each => each !== '')
  return texts.map(each => ({ key: each.split('=')[0]!, value: each.split('=')[1] ?? '' }))
}

export function headEnd(record: Uint8Array): number {
  return Buffer.from(record).indexOf('\n') + 1
}
