import { execFileSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const sources = dirname(fileURLToPath(import.meta.url))

/**
 * Builds the load generator, and the floor where it is measured. Needs gcc, and the floor the Debian package libnetfilter-queue-dev.
 * @param {string} folder @param {boolean} needsFloor
 */
export function buildPrograms(folder, needsFloor) {
  const build = (name, ...libraries) => {
    const program = join(folder, name)
    execFileSync('gcc', ['-O2', '-w', '-o', program, join(sources, `${name}.c`), ...libraries], {
      stdio: 'inherit',
    })
    return program
  }
  const floor = needsFloor ? build('floor', '-lnetfilter_queue', '-lmnl', '-lpthread') : undefined
  return { load: build('load'), floor }
}
