// Builds dist/session-hook: a static program without a loader and a library, for the machine's own architecture, or for that of
// the compiler in CC.
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const folder = dirname(fileURLToPath(import.meta.url))
const output = join(folder, '..', 'dist', 'session-hook')
const FLAGS = [
  ...[
    '-std=gnu11',
    '-O2',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-ffreestanding',
    '-fno-stack-protector',
    '-fno-builtin',
  ],
  ...['-fno-tree-loop-distribute-patterns', '-fno-pie', '-fno-asynchronous-unwind-tables'],
  ...['-static', '-nostdlib', '-no-pie', '-Wl,-z,noexecstack,-z,relro,--build-id=none', '-s'],
]

if (process.platform !== 'linux') {
  console.error(`PAM's hook exists on Linux only: not building ${output} on ${process.platform}`)
} else {
  mkdirSync(dirname(output), { recursive: true })
  const command = [process.env.CC ?? 'gcc', ...FLAGS, '-o', output, join(folder, 'session-hook.c')]
  const { status, error } = spawnSync(command[0], command.slice(1), { stdio: 'inherit' })
  if (error) throw error
  process.exitCode = status ?? 1
}
