const INTERVAL_MS = 10

/** Resolves as soon as the condition holds. */
export async function poll(condition: () => boolean | Promise<boolean>, timeoutMs = 5000): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`still not so after ${timeoutMs} ms: ${condition}`)
    await new Promise(resolve => setTimeout(resolve, INTERVAL_MS))
  }
}
