#!/usr/bin/env node
/** `trireme-docker-runtime install|remove [--flag value …]`: see `USAGE`. */
import process from 'node:process'
import { parseArgs } from 'node:util'
import { DEFAULT_GATE_SOCKET, installRuntime, removeRuntime } from './runtime-installation.js'

const USAGE = `usage: trireme-docker-runtime install [--gate-socket PATH] [--timeout-ms MS] [--runtime PROGRAM]
                                      [--not-default] [--folder PATH] [--config-file PATH]
       trireme-docker-runtime remove  [--purge] [--folder PATH] [--config-file PATH]

install  makes the engine hold every container back until the daemon has enforced it
         (gate socket: ${DEFAULT_GATE_SOCKET})
remove   takes that back; containers made meanwhile go on, by a script that stays
         --purge takes that away, too: remove those containers before
Afterwards have the engine reload its configuration: systemctl reload docker, or kill -HUP its process.`

try {
  await run()
} catch (error) {
  console.error(`trireme-docker-runtime: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}

async function run(): Promise<void> {
  const text = { type: 'string' } as const
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      ...{ 'gate-socket': text, 'timeout-ms': text, runtime: text, folder: text, 'config-file': text },
      'not-default': { type: 'boolean' },
      purge: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  })
  const [command, ...rest] = positionals
  if (values.help) return console.log(USAGE)
  if (rest.length > 0 || (command !== 'install' && command !== 'remove')) throw new TypeError(`\n${USAGE}`)
  const { folder, 'config-file': configFile, 'gate-socket': gateSocket, runtime } = values
  const places = { ...(folder && { folder }), ...(configFile && { configFile }) }
  if (command === 'remove') return removeRuntime({ ...places, purge: values.purge ?? false })
  const timeoutMs = Number(values['timeout-ms'] ?? 10_000)
  if (!(timeoutMs > 0)) throw new RangeError(`--timeout-ms ${values['timeout-ms']}: expected milliseconds`)
  await installRuntime({
    ...places,
    ...(gateSocket && { gateSocket }),
    ...(runtime && { runtime }),
    timeoutMs,
    isDefault: !values['not-default'],
  })
}
