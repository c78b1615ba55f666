import { Command } from 'commander'
import type { FlowsOptions } from './commands/flows.js'
import type { RunOptions } from './commands/run.js'
import type { StatusOptions } from './commands/status.js'
import type { UninstallOptions } from './commands/uninstall.js'
import { keysCommand } from './keys/keys-command.js'
import { VERSION } from './version.js'

const SOCKET = [
  '--socket <path>',
  'control socket of the daemon (default: the only one in /run/trireme)',
] as const

/**
 * The command line. Each action loads what it needs and no more: `run` must begin fast.
 * @param finish gets the exit status of the command that ran.
 */
export function buildProgram(finish: (exitStatus: number) => void): Command {
  const program = new Command('trireme')
    .description('Zero-trust segmentation: who may talk to whom, by identity and not by IP address')
    .version(VERSION)
    .enablePositionalOptions()
    .showHelpAfterError('(trireme --help shows how)')
  addDaemon(program, finish)
  addRun(program, finish)
  addViews(program, finish)
  addUninstall(program, finish)
  program.addCommand(keysCommand())
  return program
}

type Finish = (exitStatus: number) => void

function addDaemon(program: Command, finish: Finish): void {
  program
    .command('daemon')
    .description('enforce in the foreground until SIGTERM; enforcement stays')
    .requiredOption('--config <file>', 'configuration in YAML')
    .action(async (options: { readonly config: string }) => {
      const { daemonCommand } = await import('./commands/daemon.js')
      finish(await daemonCommand(options))
    })
}

function addRun(program: Command, finish: Finish): void {
  program
    .command('run')
    .description('run a command as a processing unit; exit status 125 if that cannot be')
    .usage('[options] -- COMMAND...')
    .option(...SOCKET)
    .option('--name <name>', "name for people (default: the command's)")
    .option('--label <key=value>', 'tag of the identity; may be repeated', collect, [])
    .option(
      '--port <port>',
      'port or range (8000-8100) on which the command accepts, or auto for those found; may be repeated',
      collect,
      [],
    )
    .option('--user <user>', 'run the command as this user, with his groups')
    .option('--network-only', 'enforce what peers send, and not what the command sends of its own accord')
    .argument('<command...>')
    .passThroughOptions()
    .action(async (command: string[], options: RunOptions) => {
      const { runCommand } = await import('./commands/run.js')
      finish(await runCommand(options, command))
    })
}

function addViews(program: Command, finish: Finish): void {
  program
    .command('status')
    .description('show the daemon and its processing units; exit status 3 if it is not ready')
    .option(...SOCKET)
    .option('--json', 'as one JSON object')
    .action(async (options: StatusOptions) => {
      const { statusCommand } = await import('./commands/status.js')
      finish(await statusCommand(options))
    })
  program
    .command('flows')
    .description('show which connections were accepted and refused, and why')
    .option(...SOCKET)
    .option('--follow', 'go on with new ones')
    .option('--json', 'one JSON object a line')
    .action(async (options: FlowsOptions) => {
      const { flowsCommand } = await import('./commands/flows.js')
      finish(await flowsCommand(options))
    })
}

function addUninstall(program: Command, finish: Finish): void {
  program
    .command('uninstall')
    .description('end enforcement and remove rules, cgroups and state; a running daemon ends')
    .option(...SOCKET)
    .option('--config <file>', "the daemon's configuration: needed where it is not running")
    .action(async (options: UninstallOptions) => {
      const { uninstallCommand } = await import('./commands/uninstall.js')
      finish(await uninstallCommand(options))
    })
}

function collect(value: string, previous: readonly string[]): readonly string[] {
  return [...previous, value]
}
