/** The rules of the house, as docs/architecture.md has them, read off manifests and sources. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { workspacePackages } from './packages.mjs'
import { root } from './setup.mjs'

type Dependencies = Readonly<Record<string, string>>

interface Manifest {
  readonly name: string
  readonly version: string
  readonly license?: string
  readonly type?: string
  readonly private?: boolean
  readonly sideEffects?: boolean
  readonly files?: readonly string[]
  readonly bin?: Dependencies
  readonly scripts?: Dependencies
  readonly exports?: Readonly<Record<string, unknown>>
  readonly publishConfig?: { readonly exports?: Readonly<Record<string, unknown>> }
  readonly dependencies?: Dependencies
  readonly peerDependencies?: Dependencies
  readonly devDependencies?: Dependencies
  readonly optionalDependencies?: Dependencies
}

const CORE = '@trireme/core'
const CONFIGURATOR = '@trireme/configurator'
const CLI = '@trireme/cli'
const CONFORMANCE = '@trireme/conformance'
/** Nearly all stay under 350; past this a file does more than one thing. */
const MAX_LINES = 400
const BAD_NAME = /^(utils?|helpers?|types?|constants?)\.m?[jt]s$/

const manifests: readonly Manifest[] = workspacePackages().map(({ manifest }) => manifest as Manifest)
const plugins = manifests.filter(({ name }) => ![CORE, CONFIGURATOR, CLI, CONFORMANCE].includes(name))
const sources = ['packages', 'kernel-tests', 'scripts'].flatMap(folder => sourcesUnder(join(root, folder)))
const productSources = sources.filter(file => file.startsWith('packages/') && !file.endsWith('.test.ts'))

describe('dependencies', () => {
  it('finds the packages of the house', () => {
    expect(manifests.map(({ name }) => name)).toEqual(expect.arrayContaining([CORE, CONFIGURATOR, CLI]))
    expect(plugins.length).toBeGreaterThan(4)
  })

  it('core depends on nothing', () => {
    expect(runtimeNames(manifestOf(CORE))).toEqual([])
  })

  it.each(plugins.map(manifest => [manifest.name, manifest] as const))(
    '%s knows core alone, as peer',
    (_, manifest) => {
      expect(workspaceNames(manifest.dependencies)).toEqual([])
      expect(workspaceNames(manifest.peerDependencies)).toEqual([CORE])
      expect(workspaceNames(manifest.devDependencies)).toEqual([CORE])
    },
  )

  it('the conformance kit knows core alone', () => {
    const kit = manifests.find(({ name }) => name === CONFORMANCE)
    expect(kit === undefined ? [CORE] : runtimeNames(kit)).toEqual([CORE])
  })

  it('nothing depends on the cli, and only the cli on the configurator', () => {
    const dependents = (on: string) =>
      manifests.filter(manifest => allWorkspaceNames(manifest).includes(on)).map(({ name }) => name)
    expect(dependents(CLI)).toEqual([])
    expect(dependents(CONFIGURATOR).filter(name => name !== CLI)).toEqual([])
  })

  it('has no cycles', () => {
    const onPath = (name: string, path: readonly string[]): readonly string[] => {
      if (path.includes(name)) return [[...path, name].join(' → ')]
      return allWorkspaceNames(manifestOf(name)).flatMap(next => onPath(next, [...path, name]))
    }
    expect(manifests.flatMap(({ name }) => onPath(name, []))).toEqual([])
  })

  it('imports what the manifest names', () => {
    const undeclared = manifests.flatMap(manifest => {
      const declared = [manifest.name, ...runtimeNames(manifest)]
      const imported = shippedSources(manifest).flatMap(packagesImportedBy)
      return imported.filter(name => !declared.includes(name)).map(name => `${manifest.name}: ${name}`)
    })
    expect(undeclared).toEqual([])
    expect(shippedSources(manifestOf(CORE)).length).toBeGreaterThan(10)
  })
})

describe.each(manifests.map(manifest => [manifest.name, manifest] as const))(
  'manifest of %s',
  (_, manifest) => {
    it('is ESM under Apache-2.0 with an allow-list of files', () => {
      expect(manifest).toMatchObject({ type: 'module', license: 'Apache-2.0', sideEffects: false })
      expect(manifest.files?.length ?? 0).toBeGreaterThan(0)
      expect(manifest.version).toBe(manifestOf(CORE).version)
    })

    it('runs nothing when it is installed', () => {
      const hooks = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish']
      expect(Object.keys(manifest.scripts ?? {}).filter(script => hooks.includes(script))).toEqual([])
    })

    it('exports types first, and sources only to the workspace', () => {
      const published = Object.entries(manifest.publishConfig?.exports ?? {})
      expect(published.length > 0 || manifest.bin !== undefined).toBe(true)
      for (const [path, target] of published) {
        if (path === './package.json') continue
        expect(Object.keys(target as object)[0], `${manifest.name} ${path}`).toBe('types')
        expect(Object.keys(target as object)).not.toContain('@trireme/source')
      }
    })
  },
)

describe('sources', () => {
  it('are many enough that these checks see something', () => {
    expect(productSources.length).toBeGreaterThan(10)
  })

  it('are named for what they export', () => {
    expect(sources.filter(file => BAD_NAME.test(basename(file)))).toEqual([])
    expect(sources.filter(file => !/^[a-z0-9.-]+$/.test(basename(file)))).toEqual([])
  })

  it(`stay under ${MAX_LINES} lines`, () => {
    expect(productSources.filter(file => lineCount(file) > MAX_LINES)).toEqual([])
  })

  it('use neither any, enum, export * nor default exports', () => {
    const configurations = /\.config\.ts$/
    const violations = sources.filter(file => !configurations.test(file)).flatMap(violationsIn)
    expect(violations).toEqual([])
  })

  it('leave no test out', () => {
    const left = /\b(it|test|describe)(\.[a-zA-Z]+)*\.(only|skip|todo)\b/
    const tests = sources.filter(file => file.endsWith('.test.ts') && basename(file) !== 'house.test.ts')
    expect(tests.filter(file => left.test(readFileSync(join(root, file), 'utf8')))).toEqual([])
  })
})

function manifestOf(name: string): Manifest {
  const manifest = manifests.find(each => each.name === name)
  if (manifest === undefined) throw new Error(`no package ${name}`)
  return manifest
}

function workspaceNames(dependencies: Dependencies = {}): readonly string[] {
  return Object.keys(dependencies).filter(name => name.startsWith('@trireme/'))
}

function runtimeNames({
  dependencies = {},
  peerDependencies = {},
  optionalDependencies = {},
}: Manifest): readonly string[] {
  return Object.keys({ ...dependencies, ...peerDependencies, ...optionalDependencies })
}

function allWorkspaceNames(manifest: Manifest): readonly string[] {
  const { dependencies, peerDependencies, devDependencies } = manifest
  return workspaceNames({ ...dependencies, ...peerDependencies, ...devDependencies })
}

/** Paths from the checkout's folder of every TypeScript file, and of every module a script is made of. */
function sourcesUnder(folder: string): readonly string[] {
  return readdirSync(folder).flatMap(name => {
    const path = join(folder, name)
    if (['node_modules', 'dist', 'build', 'prebuilds'].includes(name)) return []
    if (statSync(path).isDirectory()) return sourcesUnder(path)
    return /\.m?ts$|\.mjs$/.test(name) ? [relative(root, path)] : []
  })
}

function lineCount(file: string): number {
  return readFileSync(join(root, file), 'utf8').split('\n').length - 1
}

/** What a package's entries import, directly or not, from its own folder: what its users run. */
function shippedSources({ name, exports = {}, bin = {} }: Manifest): readonly string[] {
  const folder = workspacePackages().find(({ manifest }) => manifest.name === name)!.folder
  const programs = Object.values(bin).map(file => sourceOfProgram(file))
  const libraries = Object.values(exports).map(target => (target as Dependencies)['@trireme/source'])
  const reached = new Set<string>()
  const reach = (file: string): void => {
    if (reached.has(file)) return
    reached.add(file)
    const relatives = importsOf(file).filter(each => each.startsWith('.') && each.endsWith('.js'))
    for (const each of relatives) reach(join(dirname(file), each.replace(/js$/, 'ts')))
  }
  for (const entry of [...programs, ...libraries]) if (entry !== undefined) reach(join(folder, entry))
  return [...reached]
}

/** A shell script in `bin` starts `dist/main.js`. */
function sourceOfProgram(file: string): string {
  if (file.startsWith('./bin/')) return './src/main.ts'
  return file.replace('/dist/', '/src/').replace(/js$/, 'ts')
}

/** Bare specifiers, less Node's own and less the path behind the package's name. */
function packagesImportedBy(file: string): readonly string[] {
  return importsOf(file)
    .filter(name => !name.startsWith('.') && !name.startsWith('node:'))
    .map(name => name.match(/^(@[^/]+\/)?[^/]+/)?.[0] ?? name)
}

function importsOf(file: string): readonly string[] {
  return ts.preProcessFile(readFileSync(file, 'utf8')).importedFiles.map(({ fileName }) => fileName)
}

function violationsIn(file: string): readonly string[] {
  const tree = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest, true)
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    const violation = violationOf(node)
    if (violation !== undefined) {
      found.push(`${file}:${tree.getLineAndCharacterOfPosition(node.getStart()).line + 1} ${violation}`)
    }
    ts.forEachChild(node, visit)
  }
  visit(tree)
  return found
}

function violationOf(node: ts.Node): string | undefined {
  if (node.kind === ts.SyntaxKind.AnyKeyword) return 'any'
  if (ts.isEnumDeclaration(node)) return 'enum'
  if (ts.isExportDeclaration(node) && node.exportClause === undefined) return 'export *'
  if (ts.isExportAssignment(node)) return 'default export'
  if (node.kind === ts.SyntaxKind.DefaultKeyword && ts.isModifier(node)) return 'default export'
  return undefined
}
