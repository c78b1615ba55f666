import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'

/** A process that becomes a shell script when it is told to, as `trireme run` makes them. */
export class WaitingProcess {
  readonly #child: ChildProcessWithoutNullStreams
  readonly ended: Promise<void>
  readonly #output: Promise<string>

  /** @param prefix the program that starts it, such as `unshare --net`. */
  constructor(script: string, prefix: readonly string[] = []) {
    const argv = [...prefix, 'sh', '-c', 'read -r word && exec sh -c "$0"', script]
    this.#child = spawn(argv[0]!, argv.slice(1))
    this.ended = new Promise(resolve => this.#child.once('close', () => resolve()))
    this.#output = text(this.#child.stdout)
    this.#child.stdin.on('error', () => {})
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** Lets the script begin. */
  go(): void {
    this.#child.stdin.write('go\n')
  }

  /** What the script wrote until its end. */
  async output(): Promise<string> {
    await this.ended
    return this.#output
  }

  /** Ends it; what it started, a script has to end itself. */
  async stop(): Promise<void> {
    this.#child.kill('SIGKILL')
    this.#child.stdin.destroy()
    await this.ended
  }

  /** The paths of its cgroups, one hierarchy a line. */
  cgroups(): Promise<string> {
    return readFile(`/proc/${this.pid}/cgroup`, 'utf8')
  }
}
