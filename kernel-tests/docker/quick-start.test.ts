import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NetworkNamespace } from '../harness/network-namespace.js'
import { type CommandOutcome, runCommand } from '../harness/run-command.js'
import { Teardown } from '../harness/teardown.js'
import { DockerEngine } from './docker-engine.js'
import { installPackages } from './installed-packages.js'

const PACKAGES = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'packages')

const teardown = new Teardown()
let engine: DockerEngine

beforeAll(async () => {
  const namespace = teardown.own(await NetworkNamespace.make('quick'))
  engine = teardown.own(await DockerEngine.start(namespace))
})
afterAll(() => teardown.run())

/** The quick start of a package's README: its blocks of code by language, in order. */
async function quickStart(name: string): Promise<(language: string) => readonly string[]> {
  const readme = await readFile(join(PACKAGES, name, 'README.md'), 'utf8')
  const section = readme.split(/^## /m).find(each => each.startsWith('Quick start')) ?? ''
  const blocks = [...section.matchAll(/^```(\w+)\n(.*?)^```/gms)]
  return language => blocks.flatMap(([, its, text]) => (its === language && text ? [text] : []))
}

/** A folder in which these packages are installed, and no others of ours. */
async function project(name: string, packages: readonly string[]): Promise<string> {
  const folder = join(engine.folder, name)
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  await installPackages(folder, packages)
  return folder
}

/** Runs a shell script where the engine listens on the usual socket. */
function shell(folder: string, script: string): Promise<CommandOutcome> {
  const usualSocket = `set -e; mount -t tmpfs none /run; ln -s ${engine.socket} /run/docker.sock; cd ${folder}`
  // Job control, as where a user types.
  const argv = ['unshare', '--mount', 'timeout', '50', 'bash', '-c', `${usualSocket}\nset +e -m\n${script}`]
  return runCommand(engine.namespace.inside(argv), { timeoutMs: 60_000 })
}

describe('the quick start of the configurator', () => {
  it('protects containers with the packages that it names', async () => {
    const blocks = await quickStart('configurator')
    const [install = '', script = ''] = blocks('sh')
    const [program = ''] = blocks('js')
    const named = install.match(/@trireme\/[a-z-]+/g) ?? []
    expect(named).toHaveLength(6)
    const folder = await project('protect', named)
    await writeFile(join(folder, 'protect.mjs'), program)
    const { stdout, stderr } = await shell(folder, script)
    const log = await readFile(join(folder, 'protect.log'), 'utf8')
    expect(stdout, `${stderr}\n${log}`).toContain('I am web\nbatch is refused\n')
    expect(log).toContain('accept from.frontend')
    expect(log).toContain('reject')
  })

  it('names what is missing', async () => {
    const folder = await project('missing', ['@trireme/configurator', '@trireme/core', '@trireme/tokens-jwt'])
    const program = `
      import { newPSKTriremeWithDockerMonitor } from '@trireme/configurator'
      const resolver = { resolvePolicy() {}, handlePUEvent() {} }
      const options = { serverID: 'a', resolver, key: Buffer.alloc(32) }
      await newPSKTriremeWithDockerMonitor(options).catch(({ code, message }) => console.log(code, message))
    `
    await writeFile(join(folder, 'missing.mjs'), program)
    const missing = async () => (await shell(folder, 'node missing.mjs')).stdout
    const [enforcer, supervisor, monitor] = ['enforcer-nfq', 'supervisor-iptables', 'monitor-docker'].map(
      name => `@trireme/${name}`,
    )
    expect(await missing()).toMatch(/^ERR_PEER_DEPENDENCY /)
    expect(await missing()).toContain(`(npm install ${enforcer} ${supervisor} ${monitor})`)
    await installPackages(folder, ['@trireme/monitor-docker'])
    expect(await missing()).toContain(`(npm install ${enforcer} ${supervisor})`)
  })
})

describe('the quick start of the monitor', () => {
  it('tells of a container by its labels', async () => {
    const blocks = await quickStart('monitor-docker')
    const folder = await project('watch', ['@trireme/monitor-docker', '@trireme/core'])
    await writeFile(join(folder, 'watch.mjs'), blocks('js')[0] ?? '')
    const { stdout } = await shell(folder, blocks('sh')[0] ?? '')
    expect(stdout).toMatch(/^ready\ncreate /m)
    expect(stdout).toContain(
      '\nstart shop container app=web\nstop shop container app=web\ndestroy shop container app=web\n',
    )
  })
})
