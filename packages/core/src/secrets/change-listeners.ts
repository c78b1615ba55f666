/** Those who want to hear that keys were added or removed. */
export class ChangeListeners {
  readonly #listeners = new Set<{ readonly call: () => void }>()

  /** Returns how to stop listening. */
  add(listener: () => void): () => void {
    const entry = { call: listener }
    this.#listeners.add(entry)
    return () => {
      this.#listeners.delete(entry)
    }
  }

  /**
   * Tells all of them, also when one throws: each may hold what a removed key had vouched for.
   * @throws the listener's error, or an `AggregateError` of several.
   */
  notify(): void {
    const errors: unknown[] = []
    for (const { call } of [...this.#listeners]) {
      try {
        call()
      } catch (error) {
        errors.push(error)
      }
    }
    if (errors.length === 1) throw errors[0]
    if (errors.length > 1) throw new AggregateError(errors, errors.map(String).join('; '))
  }
}
