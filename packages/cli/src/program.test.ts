import { describe, expect, it, vi } from 'vitest'
import type { RunOptions } from './commands/run.js'
import { buildProgram } from './program.js'

/** What the command line of `run` becomes, in place of running it. */
async function parseRun(...argv: readonly string[]): Promise<{ command: string[]; options: RunOptions }> {
  const program = buildProgram(() => {})
  const run = program.commands.find(command => command.name() === 'run')!
  const seen = vi.fn()
  run.action((command, options) => seen({ command, options }))
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} })
  }
  await program.parseAsync(['run', ...argv], { from: 'user' })
  return seen.mock.lastCall?.[0]
}

describe('the command line of run', () => {
  it('gathers labels, ports and aliases', async () => {
    const { command, options } = await parseRun(
      ...[
        '--socket',
        '/x.sock',
        '--label',
        'a=b',
        '--label',
        'c=d',
        '--port',
        '80',
        '--port',
        '90-91',
        '--alias',
        '203.0.113.7',
        '--',
        'ls',
      ],
    )
    expect(command).toEqual(['ls'])
    expect(options).toEqual({
      socket: '/x.sock',
      label: ['a=b', 'c=d'],
      port: ['80', '90-91'],
      alias: ['203.0.113.7'],
    })
  })

  it.each([[['--', 'ls', '--label', 'x', '--', '-l']], [['ls', '--label', 'x', '--', '-l']]])(
    'leaves to the command what follows it: %j',
    async argv => {
      const { command, options } = await parseRun(...argv)
      expect(command).toEqual(['ls', '--label', 'x', '--', '-l'])
      expect(options.label).toEqual([])
    },
  )

  it.each([[[]], [['--']], [['--bogus', '--', 'ls']], [['--label']]])('refuses %j', async argv => {
    await expect(parseRun(...argv)).rejects.toMatchObject({ code: /^commander\./ })
  })
})
