import { removeNamespace } from './remove-namespace.js'
import { type CommandOptions, type CommandOutcome, mustRun, runCommand } from './run-command.js'
import { sweepLeftovers } from './sweep-leftovers.js'
import { uniqueName } from './unique-name.js'

const FOLDER = '/run/netns'

/** A network namespace of the test's own, with its loopback up. */
export class NetworkNamespace {
  readonly name: string

  private constructor(name: string) {
    this.name = name
  }

  /** Makes one, and clears away what tests that died have left. */
  static async make(what: string): Promise<NetworkNamespace> {
    await sweepLeftovers()
    const name = uniqueName(what)
    await mustRun(['ip', 'netns', 'add', name])
    await mustRun(['ip', '-n', name, 'link', 'set', 'lo', 'up'])
    return new NetworkNamespace(name)
  }

  get path(): string {
    return `${FOLDER}/${this.name}`
  }

  /** The command line that runs `argv` inside. /sys stays as it is, cgroups included. */
  inside(argv: readonly string[]): readonly string[] {
    return ['nsenter', `--net=${this.path}`, '--', ...argv]
  }

  run(argv: readonly string[], options?: CommandOptions): Promise<CommandOutcome> {
    return runCommand(this.inside(argv), options)
  }

  mustRun(argv: readonly string[], options?: CommandOptions): Promise<string> {
    return mustRun(this.inside(argv), options)
  }

  /** Ends every process inside and removes the namespace. */
  async stop(): Promise<void> {
    await removeNamespace(this.name)
  }
}
