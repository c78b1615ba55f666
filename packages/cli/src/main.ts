#!/usr/bin/env node
import { CommanderError } from 'commander'
import { EXIT, exitStatusOf, messageOf } from './failure.js'
import { buildProgram } from './program.js'

/** A reader that has gone, as `head` does, wants no more: that is no failure. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

try {
  const program = buildProgram(exitStatus => {
    process.exitCode = exitStatus
  })
  for (const command of [program, ...program.commands]) command.exitOverride()
  await program.parseAsync()
} catch (error) {
  process.exitCode = statusAfter(error)
}

function statusAfter(error: unknown): number {
  // Commander has said already what was wrong.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : usageStatus()
  process.stderr.write(`trireme: ${messageOf(error)}\n`)
  return exitStatusOf(error)
}

/** `run` keeps 1 to 124 for its command. */
function usageStatus(): number {
  return process.argv[2] === 'run' ? EXIT.notRun : EXIT.badInput
}
