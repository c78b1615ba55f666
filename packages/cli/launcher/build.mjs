// Builds dist/linux-ARCH/trireme-run, the program behind `trireme run`.
import { spawnSync } from 'node:child_process'
import { mkdirSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = dirname(fileURLToPath(import.meta.url))

/** Compiles the launcher. Ends the process with a reason where it cannot. */
export function buildLauncher(output) {
  mkdirSync(dirname(output), { recursive: true })
  const sources = ['run.c', 'daemon.c', 'text.c'].map(file => join(folder, file))
  const flags = [
    '-std=gnu11',
    '-O2',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-fstack-protector-strong',
    '-D_FORTIFY_SOURCE=2',
    '-D_GNU_SOURCE',
  ]
  const { status, error } = spawnSync('cc', [...flags, '-pie', '-fPIE', '-o', `${output}.new`, ...sources], {
    stdio: 'inherit',
  })
  if (error) throw error
  if (status !== 0) process.exit(status ?? 1)
  // A launcher that runs keeps its file.
  renameSync(`${output}.new`, output)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.platform === 'linux')
    buildLauncher(join(folder, '..', 'dist', `linux-${process.arch}`, 'trireme-run'))
  else console.error(`PUs exist on Linux only: not building trireme-run on ${process.platform}`)
}
