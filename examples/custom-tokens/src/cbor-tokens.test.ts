import { testTokenEngine } from '@trireme/conformance'
import { describe, it } from 'vitest'
import { cborTokens } from './cbor-tokens.js'

testTokenEngine('cbor', { describe, it, setup: cborTokens() })
