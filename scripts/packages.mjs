/** The workspace's packages as their manifests describe them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './setup.mjs'

/** `{ folder, manifest }` of every package under `packages/`, in the order of their names. */
export function workspacePackages() {
  return readdirSync(join(root, 'packages'))
    .sort()
    .map(name => join(root, 'packages', name))
    .filter(folder => existsSync(join(folder, 'package.json')))
    .map(folder => ({ folder, manifest: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) }))
}
