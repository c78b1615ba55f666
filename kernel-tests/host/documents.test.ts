/** What stands in README and docs is pasted as it stands, into a fresh shell, folder and network namespace. */

import { readdirSync } from 'node:fs'
import { mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parsePolicy } from '@trireme/policy-file'
import { afterEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../packages/cli/src/config.js'
import { CHECKOUT, TRIREME } from '../harness/checkout.js'
import { type CodeBlock, codeBlocks } from '../harness/document.js'
import { makeHost } from '../harness/hosts.js'
import type { CommandOutcome } from '../harness/run-command.js'
import { Teardown } from '../harness/teardown.js'

const README = 'README.md'
const DOCUMENTS = [
  README,
  ...readdirSync(join(CHECKOUT, 'docs'))
    .filter(isMarkdown)
    .map(name => `docs/${name}`),
]
/** Languages of blocks that nothing executes or reads. */
const SHOWN = ['text', 'ini', 'json', 'mermaid']
const NOT_RUN = /^not run: \S.+/

const teardown = new Teardown()
afterEach(() => teardown.run())

function isMarkdown(name: string): boolean {
  return name.endsWith('.md')
}

/** The shell scripts of a document that run. */
function scripts(document: string): readonly CodeBlock[] {
  return codeBlocks(document).filter(({ language, mark }) => language === 'sh' && !NOT_RUN.test(mark))
}

/** A folder with `./trireme`, as a checkout has it. */
async function freshFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'trireme-documents-'))
  teardown.add(() => rm(folder, { recursive: true, force: true }))
  await symlink(TRIREME, join(folder, 'trireme'))
  return folder
}

/** Pastes a text into a shell of a host of its own, whose /run and /var/lib are empty. What it leaves behind ends with it. */
async function paste(text: string): Promise<CommandOutcome> {
  const folder = await freshFolder()
  const host = teardown.own(await makeHost())
  const isolated = 'mount -t tmpfs none /run && mount -t tmpfs none /var/lib && exec bash'
  const argv = ['unshare', '--mount', 'sh', '-c', isolated]
  const env = { ...process.env, PATH: `${folder}:${process.env['PATH']}` }
  return host.namespace.run(argv, {
    cwd: folder,
    input: `trap 'kill $(jobs -p)' EXIT\n${text}`,
    env,
    timeoutMs: 90_000,
  })
}

/** README's example up to the daemon, in which the commands of the other documents stand. */
function startOfReadme(): string {
  const [example] = scripts(README)
  const upToDaemon = /^[\s\S]*?daemon --config trireme\.yaml &$/m.exec(example?.text ?? '')
  expect(upToDaemon).not.toBeNull()
  return `${upToDaemon![0]}\n./trireme run -- true\n`
}

describe('README', () => {
  it('has twenty lines that do what they say when they are pasted', async () => {
    const [example, ...others] = scripts(README)
    expect(others).toEqual([])
    const { code, stdout, stderr } = await paste(
      `${example!.text}echo "pasted, status $?"\nls /run/trireme\n`,
    )
    const said = `${stdout}\n${stderr}`
    expect(code, said).not.toBe(0)
    expect(stdout, said).toMatch(/Directory listing for \//)
    expect(stderr.match(/Failed to connect to 127\.0\.0\.1 port 8080/g)?.length, said).toBeGreaterThan(1)
    for (const tag of ['app=frontend', 'app=batch', 'no identity']) expect(stdout, said).toContain(tag)
    expect(stdout, said).toContain('web-from-frontend')
    expect(stdout, said).toContain('pasted, status 0')
    expect(stderr, said).toMatch(/uninstalled/)
  })
})

describe.each(DOCUMENTS)('%s', document => {
  it('says of each block what it is', () => {
    for (const { language, mark, line } of codeBlocks(document)) {
      const isKnown =
        SHOWN.includes(language) ||
        (language === 'sh' && (mark === '' || NOT_RUN.test(mark))) ||
        (language === 'yaml' && /^(trireme|policy)\.yaml(, one line each)?$/.test(mark))
      expect(isKnown, `${document}:${line}: ${language} ${mark}`).toBe(true)
    }
  })

  it('has YAML that is read', async () => {
    for (const { language, mark, text, line } of codeBlocks(document)) {
      if (language !== 'yaml') continue
      const parts = mark.endsWith('one line each') ? text.split('\n').filter(Boolean) : [text]
      for (const part of parts) await read(mark, part, `${document}:${line}`)
    }
  })
})

/** A part of `trireme.yaml` is completed by the keys that it does not have. */
async function read(mark: string, part: string, place: string): Promise<void> {
  if (mark.startsWith('policy.yaml')) {
    parsePolicy(part, place)
    return
  }
  const base = { serverID: 'host-a', auth: '{ psk: { file: ./psk } }', policy: './policy.yaml' }
  const missing = Object.entries(base).filter(([key]) => !new RegExp(`^${key}:`, 'm').test(part))
  const file = join(await freshFolder(), 'trireme.yaml')
  await writeFile(file, [...missing.map(([key, value]) => `${key}: ${value}`), part].join('\n'))
  expect(await loadConfig(file), place).toMatchObject({ serverID: expect.any(String) })
}

describe.each(DOCUMENTS.filter(name => name !== README && scripts(name).length > 0))(
  'commands of %s',
  document => {
    it('succeed', async () => {
      const blocks = scripts(document).map(({ text }) => text)
      const script = [startOfReadme(), 'set -ex', ...blocks, 'trireme uninstall --config trireme.yaml'].join(
        '\n',
      )
      const { code, stdout, stderr } = await paste(script)
      expect({ code, said: code === 0 ? '' : `${stdout}\n${stderr}` }).toEqual({ code: 0, said: '' })
    })
  },
)

it('finds documents with commands', async () => {
  expect((await readdir(join(CHECKOUT, 'docs'))).length).toBeGreaterThan(5)
  expect(DOCUMENTS.filter(name => scripts(name).length > 0).length).toBeGreaterThan(2)
})
