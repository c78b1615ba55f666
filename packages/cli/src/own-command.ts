import { realpathSync } from 'node:fs'

/** The command line that runs this very program, in absolute paths, for files that others are going to execute. */
export function ownCommand(): readonly [node: string, main: string] {
  return [process.execPath, realpathSync(process.argv[1]!)]
}
