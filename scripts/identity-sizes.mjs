/** Measures what identities cost on this machine, and writes docs/identity-sizes.md. */
import { runTypeScript } from './run-typescript.mjs'

await runTypeScript('kernel-tests/identity/identity-sizes.ts')
