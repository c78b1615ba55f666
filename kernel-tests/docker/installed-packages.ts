import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, realpath, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const PACKAGES = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'packages')

interface Manifest {
  readonly files: readonly string[]
  readonly dependencies?: Readonly<Record<string, string>>
  readonly publishConfig: { readonly exports?: unknown }
  readonly [field: string]: unknown
}

/**
 * Lays out `node_modules` in a folder as an installation of these packages would: each as it is published, its dependencies,
 * and no other package of the workspace. Needs a build.
 */
export async function installPackages(folder: string, names: readonly string[]): Promise<void> {
  for (const name of names) await installPackage(join(folder, 'node_modules'), name)
}

async function installPackage(nodeModules: string, name: string): Promise<void> {
  const source = join(PACKAGES, name.replace('@trireme/', ''))
  const target = join(nodeModules, name)
  const manifest = JSON.parse(await readFile(join(source, 'package.json'), 'utf8')) as Manifest
  await mkdir(target, { recursive: true })
  await writeFile(join(target, 'package.json'), JSON.stringify({ ...manifest, ...manifest.publishConfig }))
  // Here the addon is what the machine has built, not a prebuild.
  for (const file of [...manifest.files, 'native/build/Release']) {
    if (existsSync(join(source, file))) await cp(join(source, file), join(target, file), { recursive: true })
  }
  for (const dependency of Object.keys(manifest.dependencies ?? {})) {
    const link = join(nodeModules, dependency)
    await mkdir(dirname(link), { recursive: true })
    await symlink(await realpath(join(source, 'node_modules', dependency)), link)
  }
}
