import { testTokenEngine } from '@trireme/conformance'
import { binaryTokens } from '@trireme/tokens-binary'
import { jwtTokens } from '@trireme/tokens-jwt'
import { describe, it } from 'vitest'

testTokenEngine('binary', { describe, it, setup: binaryTokens() })
testTokenEngine('jwt', { describe, it, setup: jwtTokens() })
