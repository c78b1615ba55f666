import { readFileSync } from 'node:fs'
import { describe, expect, it, vi } from 'vitest'
import { buildProgram } from './program.js'

/** The arguments that a command's action gets, in place of running it. */
async function parse(name: string, ...argv: readonly string[]): Promise<readonly unknown[]> {
  const program = buildProgram(() => {})
  const seen = vi.fn()
  program.commands.find(command => command.name() === name)!.action((...all) => seen(all))
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} })
  }
  await program.parseAsync([name, ...argv], { from: 'user' })
  return seen.mock.lastCall?.[0]
}

describe('the command line of adopt', () => {
  it('gathers labels, ports and aliases', async () => {
    const lists = ['--label', 'a=b', '--label', 'c=d', '--port', '80', '--port', '90-91']
    const [pid, options] = await parse(
      'adopt',
      '--socket',
      '/x.sock',
      ...lists,
      '--alias',
      '203.0.113.7',
      '7',
    )
    expect(pid).toBe('7')
    expect(options).toEqual({
      socket: '/x.sock',
      label: ['a=b', 'c=d'],
      port: ['80', '90-91'],
      alias: ['203.0.113.7'],
    })
  })

  it.each([[[]], [['--bogus', '7']], [['--label']]])('refuses %j', async argv => {
    await expect(parse('adopt', ...argv)).rejects.toMatchObject({ code: /^commander\./ })
  })
})

describe('the help of run', () => {
  it('has the options of the program that runs', () => {
    const launcher = readFileSync(new URL('../launcher/run.c', import.meta.url), 'utf8')
    const read = [...launcher.matchAll(/(?:value_of\(|strcmp\(\*\*at, )"(--[a-z-]+)"/g)].map(
      ([, name]) => name,
    )
    const run = buildProgram(() => {}).commands.find(command => command.name() === 'run')!
    expect(run.options.map(({ long }) => long).toSorted()).toEqual(read.toSorted())
  })
})
