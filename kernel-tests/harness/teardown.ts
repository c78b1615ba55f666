import { runAll } from '@trireme/core'

/** Clean-up in reverse order. Every step runs, also after a failed one. */
export class Teardown {
  readonly #steps: (() => void | Promise<void>)[] = []

  add(step: () => void | Promise<void>): void {
    this.#steps.unshift(step)
  }

  /** Hands over `resource` and remembers how to be rid of it. */
  own<T extends { stop(): void | Promise<void> }>(resource: T): T {
    this.add(() => resource.stop())
    return resource
  }

  /** Idempotent. Rejects with what failed after all was tried. */
  async run(): Promise<void> {
    await runAll(this.#steps.splice(0))
  }
}
