import { newTestTokenEngine } from '@trireme/core/testing'
import { describe, expect, it } from 'vitest'
import { sealedTokens } from './sealed-tokens.fixture.js'
import { type TestTokenEngineOptions, testTokenEngine } from './test-token-engine.js'
import { DEFECTS } from './token-engine-defects.fixture.js'

type Setup = TestTokenEngineOptions['setup']

interface Declared {
  readonly group: string
  readonly title: string
  readonly run: () => Promise<void>
}

/** What the suite would run over an engine. */
function declaredFor(setup: Setup): readonly Declared[] {
  const declared: Declared[] = []
  let group = ''
  testTokenEngine('fixture', {
    setup,
    describe(name, body) {
      group = name
      body()
    },
    it: (title, run) => declared.push({ group, title, run }),
  })
  return declared
}

/** Titles of the checks that fail with a secret of this kind; of all checks, or of those with this title. */
async function failures(setup: Setup, kind: string, title?: string): Promise<readonly string[]> {
  const failed: string[] = []
  for (const check of declaredFor(setup)) {
    if (!check.group.endsWith(kind) || (title !== undefined && check.title !== title)) continue
    await check.run().catch((error: unknown) => failed.push(`${check.title}: ${String(error)}`))
  }
  return failed
}

const PSK = 'with a pre-shared key'
const CREDENTIAL = 'with node keys with a credential in the record'

describe('testTokenEngine', () => {
  it('is passed by a sound engine, with every kind of secret', async () => {
    expect(await failures(sealedTokens(), '')).toEqual([])
  })

  it('is passed by a sound engine that answers with promises', async () => {
    const later: Setup = components => {
      const engine = sealedTokens()(components)
      return {
        ...engine,
        issue: async claims => engine.issue(claims),
        verify(record) {
          const copy = Uint8Array.from(record)
          return Promise.resolve().then(() => engine.verify(copy))
        },
      }
    }
    expect(await failures(later, PSK)).toEqual([])
  })

  it.each(DEFECTS)('finds out: $what', async ({ title, setup, needsCredential = false }) => {
    expect(await failures(setup, needsCredential ? CREDENTIAL : PSK, title)).toHaveLength(1)
  })

  it('has a defect for each of its checks, but for what core does and for more of the same', () => {
    const untested = new Set(declaredFor(sealedTokens()).map(check => check.title))
    for (const { title } of DEFECTS) untested.delete(title)
    const unlikely = /^does not sign|second handshake/
    expect([...untested].filter(title => !unlikely.test(title))).toEqual([])
  })

  it('is not passed by the engine for tests, which signs nothing', async () => {
    const failed = await failures(() => newTestTokenEngine(), PSK)
    expect(failed.map(text => text.split(':')[0])).toContain('refuses a record signed with another secret')
  })

  it('says what is missing where there is neither an option nor a global', () => {
    expect(() => testTokenEngine('x', { setup: sealedTokens(), it: () => {} })).toThrow(
      'testTokenEngine: there is no global describe; expected the option describe',
    )
  })

  it('takes describe and it from the globals', () => {
    const titles: string[] = []
    Object.assign(globalThis, {
      describe: (_: string, body: () => void) => body(),
      it: (title: string) => titles.push(title),
    })
    try {
      testTokenEngine('x', { setup: sealedTokens() })
    } finally {
      Reflect.deleteProperty(globalThis, 'describe')
      Reflect.deleteProperty(globalThis, 'it')
    }
    expect(titles).toContain('gives back every claim')
  })
})
