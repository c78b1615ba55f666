/** Writes the test vectors in packages/core/vectors that are missing or do not hold. */
import { runTypeScript } from './run-typescript.mjs'

await runTypeScript('kernel-tests/identity/make-vectors.ts')
