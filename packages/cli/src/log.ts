import { printable } from './printable.js'

/** One line an entry. Nothing secret goes in: no key, no token, no content of a packet. */
export interface Log {
  info(message: string): void
  warn(message: string): void
  error(message: string): void
}

/** @param write gets whole lines, `TIME LEVEL MESSAGE`, the time in ISO 8601. */
export function lineLog(write: (line: string) => void, now: () => Date = () => new Date()): Log {
  const entry = (level: string) => (message: string) =>
    write(`${now().toISOString()} ${level} ${printable(message)}\n`)
  return { info: entry('info'), warn: entry('warn'), error: entry('error') }
}

/** The same listener for at most ten calls a second; further ones are left out. */
export function limited<Argument>(
  listener: (argument: Argument) => void,
  now: () => number = Date.now,
): (argument: Argument) => void {
  let second = 0
  let calls = 0
  return argument => {
    const current = Math.floor(now() / 1000)
    if (current !== second) calls = 0
    second = current
    if (++calls <= 10) listener(argument)
  }
}
