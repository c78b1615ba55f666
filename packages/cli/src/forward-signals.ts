import { closeSync, openSync } from 'node:fs'

const FORWARDED: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGCONT']

/** The terminal's keys send these to the whole foreground process group: our child has them already. */
const FROM_THE_KEYBOARD: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT']

/** Hands signals to `kill` in place of their effect on this process. Returns how to stop that. */
export function forwardSignals(kill: (signal: NodeJS.Signals) => void): () => void {
  const isInteractive = hasTerminal()
  const ignore = () => {}
  const listeners = [
    ...FORWARDED.map(signal => [signal, kill] as const),
    ...FROM_THE_KEYBOARD.map(signal => [signal, isInteractive ? ignore : kill] as const),
  ]
  for (const [signal, listener] of listeners) process.on(signal, listener)
  return () => {
    for (const [signal, listener] of listeners) process.off(signal, listener)
  }
}

/** Whether this process has a controlling terminal (tty(4)). */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return true
  } catch {
    return false
  }
}
