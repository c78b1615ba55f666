import { fileURLToPath } from 'node:url'

/**
 * The static program that pam_exec(8) starts (`hook/session-hook.c`), as the build made it: it gives the `trireme` command an environment,
 * descriptors and a working directory that no user had a hand in. With `--` and a command it does the same for a unit of systemd.
 */
export const SESSION_HOOK: string = fileURLToPath(new URL('../dist/session-hook', import.meta.url))
