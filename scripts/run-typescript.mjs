/** Runs a TypeScript module of the checkout against the sources of the packages, not against what was built of them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'tsup'
import { root } from './setup.mjs'

/** Bundles the module at `path`, which is from the checkout's folder, and calls the function `main` that it exports with that folder. */
export async function runTypeScript(path) {
  const outDir = mkdtempSync(join(tmpdir(), 'trireme-script-'))
  try {
    await build({
      config: false,
      silent: true,
      entry: [join(root, path)],
      outDir,
      format: 'esm',
      target: 'node20',
      outExtension: () => ({ js: '.mjs' }),
      noExternal: [/.*/],
      esbuildOptions: options => {
        options.conditions = ['@trireme/source', 'node', 'import']
      },
    })
    const { main } = await import(`${pathToFileURL(join(outDir, basename(path, '.ts'))).href}.mjs`)
    await main(root)
  } finally {
    rmSync(outDir, { recursive: true })
  }
}
