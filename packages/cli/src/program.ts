import { Command } from 'commander'
import type { AdoptOptions } from './commands/adopt.js'
import type { FlowsOptions } from './commands/flows.js'
import type { ProtectOptions } from './commands/protect.js'
import type { ReleaseOptions } from './commands/release.js'
import type { ReloadOptions } from './commands/reload.js'
import type { SessionOptions } from './commands/session.js'
import type { SessionHookOptions } from './commands/session-install.js'
import type { StatusOptions } from './commands/status.js'
import type { UninstallOptions } from './commands/uninstall.js'
import type { UnitStartOptions } from './commands/unit-start.js'
import { EXIT } from './failure.js'
import { keysCommand } from './keys/keys-command.js'
import { VERSION } from './version.js'

const SOCKET = [
  '--socket <path>',
  'control socket of the daemon (default: the only one in /run/trireme)',
] as const

const LABEL = ['--label <key=value>', 'tag of the identity; may be repeated'] as const

const PORT = [
  '--port <port>',
  'port or range (8000-8100) on which it accepts, or auto for those found; may be repeated',
] as const

const ALIAS = [
  '--alias <address>',
  'address, or address:port, by which peers dial it through address translation; may be repeated',
] as const

const NETWORK_ONLY = [
  '--network-only',
  'enforce what peers send, and not what it sends of its own accord',
] as const

const UNIT_DIR = ['--unit-dir <folder>', 'where drop-ins of units belong', '/etc/systemd/system'] as const

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
  addAdopt(program, finish)
  addRelease(program, finish)
  addUnits(program, finish)
  addSession(program, finish)
  addViews(program, finish)
  addReload(program, finish)
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

/** What the program of `packages/cli/launcher` does; here is its help. */
function addRun(program: Command, finish: Finish): void {
  program
    .command('run')
    .description('become a processing unit, then the command; exit status 125 if that cannot be')
    .usage('[options] -- COMMAND...')
    .option(...SOCKET)
    .option('--name <name>', "name for people (default: the command's)")
    .option(...LABEL, collect, [])
    .option(...PORT, collect, [])
    .option(...ALIAS, collect, [])
    .option('--user <user>', 'run the command as this user, with his groups')
    .option(...NETWORK_ONLY)
    .option(
      '--wait <seconds>',
      'how long a daemon may take to be ready (default: 10 to appear, 60 if it is starting)',
    )
    .argument('<command...>')
    .passThroughOptions()
    .action(() => {
      process.stderr.write('trireme: run takes the command `trireme` itself: the command was not run\n')
      finish(EXIT.notRun)
    })
}

function addAdopt(program: Command, finish: Finish): void {
  program
    .command('adopt')
    .description('make a process that runs, and its descendants, a processing unit; prints its ID')
    .option(...SOCKET)
    .option('--name <name>', 'name for people (default: process-PID)')
    .option(...LABEL, collect, [])
    .option(...PORT, collect, [])
    .option(...ALIAS, collect, [])
    .option(
      '--keep-connections',
      'leave connections from before open and unenforced instead of resetting them',
    )
    .argument('<pid>')
    .action(async (pid: string, options: AdoptOptions) => {
      const { adoptCommand } = await import('./commands/adopt.js')
      finish(await adoptCommand(options, pid))
    })
}

function addRelease(program: Command, finish: Finish): void {
  program
    .command('release')
    .description('enforce a processing unit no more: the inverse of adopt; prints its ID')
    .option(...SOCKET)
    .argument('<pu>', 'its ID, or the number of a process in it')
    .action(async (pu: string, options: ReleaseOptions) => {
      const { releaseCommand } = await import('./commands/release.js')
      finish(await releaseCommand(options, pu))
    })
}

function addUnits(program: Command, finish: Finish): void {
  program
    .command('protect')
    .description('make a service of systemd a processing unit at its every start')
    .option(...SOCKET)
    .option(...LABEL, collect, [])
    .option(...PORT, collect, [])
    .option(...ALIAS, collect, [])
    .option(...NETWORK_ONLY)
    .option(...UNIT_DIR)
    .argument('<unit>', 'such as nginx.service')
    .action(async (unit: string, options: ProtectOptions) => {
      const { protectCommand } = await import('./commands/protect.js')
      finish(await protectCommand(options, unit))
    })
  program
    .command('unprotect')
    .description('leave a service of systemd alone from its next start on')
    .option(...UNIT_DIR)
    .argument('<unit>', 'such as nginx.service')
    .action(async (unit: string, options: ProtectOptions) => {
      const { unprotectCommand } = await import('./commands/protect.js')
      finish(await unprotectCommand(options, unit))
    })
  program
    .command('unit-start', { hidden: true })
    .requiredOption('--socket <path>')
    .requiredOption('--name <name>')
    .option(...LABEL, collect, [])
    .option(...PORT, collect, [])
    .option(...ALIAS, collect, [])
    .option(...NETWORK_ONLY)
    .action(async (options: UnitStartOptions) => {
      const { unitStartCommand } = await import('./commands/unit-start.js')
      finish(await unitStartCommand(options))
    })
}

function addSession(program: Command, finish: Finish): void {
  const session = program.command('session').description('make login sessions processing units, by PAM')
  const add = (name: 'open' | 'close', description: string) =>
    session
      .command(name)
      .description(description)
      .option(...SOCKET)
      .action(async (options: SessionOptions) => {
        const { sessionOpen, sessionClose } = await import('./commands/session.js')
        finish(await (name === 'open' ? sessionOpen : sessionClose)(options))
      })
  add('open', "what the PAM hook calls when a session opens, with pam_exec's variables")
  add('close', 'what the PAM hook calls when a session closes')
  const addHook = (name: 'install' | 'remove', description: string) =>
    session
      .command(name)
      .description(description)
      .option(...SOCKET)
      .requiredOption('--service <name>', 'PAM service such as sshd; may be repeated', collect)
      .option('--pam-dir <folder>', 'where PAM services are', '/etc/pam.d')
      .option('--hook <file>', 'where the program lies that PAM runs', '/usr/local/lib/trireme/session-hook')
      .action(async (options: SessionHookOptions) => {
        const { sessionInstall, sessionRemove } = await import('./commands/session-install.js')
        finish(await (name === 'install' ? sessionInstall : sessionRemove)(options))
      })
  addHook('install', 'add the hook to PAM services')
  addHook('remove', 'take the hook out of PAM services')
}

function addViews(program: Command, finish: Finish): void {
  program
    .command('status')
    .description('show the daemon and its processing units; exit status 3 if it is not ready')
    .option(...SOCKET)
    .option('--json', 'as one JSON object')
    .option('--wide', 'show tags whole instead of cutting them to the terminal')
    .action(async (options: StatusOptions) => {
      const { statusCommand } = await import('./commands/status.js')
      finish(await statusCommand(options))
    })
  program
    .command('flows')
    .description('show which connections were accepted and refused, and why, a line each')
    .option(...SOCKET)
    .option('-n, --lines <number>', 'the latest so many')
    .option('--since <time>', 'from this time on: 2030-01-31T12:00:00Z, or 30s, 15m, 2h, 7d ago')
    .option('--verdict <verdict>', 'accept, reject or observed')
    .option('--pu <id>', 'of the PU with this ID, or whose ID begins so')
    .option('--tag <key=value>', 'with this tag at either end')
    .option('--follow', "go on with new ones, a line for each end's record")
    .option('--json', "one JSON object a line, for each end's record")
    .action(async (options: FlowsOptions) => {
      const { flowsCommand } = await import('./commands/flows.js')
      finish(await flowsCommand(options))
    })
}

function addReload(program: Command, finish: Finish): void {
  program
    .command('reload')
    .description(
      "read the daemon's secrets and policy again, as SIGHUP does; what will not do changes nothing and ends with 2",
    )
    .option(...SOCKET)
    .option('--check', 'say what would change, and change nothing')
    .action(async (options: ReloadOptions) => {
      const { reloadCommand } = await import('./commands/reload.js')
      finish(await reloadCommand(options))
    })
}

function addUninstall(program: Command, finish: Finish): void {
  program
    .command('uninstall')
    .description('end enforcement and remove rules, cgroups and state; a running daemon ends')
    .option(...SOCKET)
    .option('--config <file>', "the daemon's configuration: needed where it is not running")
    .option('--all', 'what daemons of any server ID left in this network namespace; a live one keeps its own')
    .action(async (options: UninstallOptions) => {
      const { uninstallCommand } = await import('./commands/uninstall.js')
      finish(await uninstallCommand(options))
    })
}

function collect(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value]
}
