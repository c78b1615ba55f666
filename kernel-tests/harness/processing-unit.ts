import { program, TRIREME } from './checkout.js'
import type { Daemon } from './daemon.js'
import type { Host } from './hosts.js'
import { JSONLinesProcess } from './json-lines-process.js'
import type { CommandOptions, CommandOutcome } from './run-command.js'
import { Session } from './session.js'

export interface ProcessingUnit {
  readonly labels: Readonly<Record<string, string>>
  readonly ports?: readonly number[]
  /** Addresses by which peers dial it. */
  readonly aliases?: readonly string[]
}

/** The command line that runs `argv` as a PU of the daemon, on the daemon's host. */
export function asPU(daemon: Daemon, unit: ProcessingUnit, argv: readonly string[]): readonly string[] {
  return daemon.host.namespace.inside(runCommandLine(daemon, unit, argv))
}

/** Runs a command as a PU to its end. */
export function runAsPU(
  daemon: Daemon,
  unit: ProcessingUnit,
  argv: readonly string[],
  options: Omit<CommandOptions, 'env'> = {},
): Promise<CommandOutcome> {
  return daemon.host.namespace.run(runCommandLine(daemon, unit, argv), { ...options, env: daemon.env })
}

function runCommandLine(daemon: Daemon, unit: ProcessingUnit, argv: readonly string[]): readonly string[] {
  const labels = Object.entries(unit.labels).flatMap(([key, value]) => ['--label', `${key}=${value}`])
  const ports = (unit.ports ?? []).flatMap(port => ['--port', String(port)])
  const aliases = (unit.aliases ?? []).flatMap(alias => ['--alias', alias])
  return [TRIREME, 'run', '--socket', daemon.socket, ...labels, ...ports, ...aliases, '--', ...argv]
}

/** An echo server that is a PU and listens on the first of its ports, on all addresses of both families. */
export async function startServer(daemon: Daemon, unit: ProcessingUnit): Promise<JSONLinesProcess> {
  const echo = program('echo-server', String(unit.ports?.[0]))
  return listening(new JSONLinesProcess(asPU(daemon, unit, echo), daemon.env))
}

/** An echo server that is no PU. */
export async function startPlainServer(host: Host, port: number): Promise<JSONLinesProcess> {
  return listening(new JSONLinesProcess(host.namespace.inside(program('echo-server', String(port)))))
}

/** A connection from a process that is a PU; made, or failed, when the promise resolves. */
export function connectAsPU(daemon: Daemon, unit: ProcessingUnit, to: Target): Promise<Session> {
  return Session.open(asPU(daemon, unit, sessionProgram(to)), daemon.env)
}

/** A connection from a process that is no PU. */
export function connectPlainly(host: Host, to: Target): Promise<Session> {
  return Session.open(host.namespace.inside(sessionProgram(to)))
}

/**
 * A PU that stands ready and connects when `connect` is called: for connections after its daemon is gone. Resolves when it
 * runs.
 */
export async function prepareConnection(
  daemon: Daemon,
  unit: ProcessingUnit,
  to: Target,
): Promise<PreparedConnection> {
  const waiting = ['sh', '-c', `echo '"ready"'; read line; exec "$@"`, 'sh', ...sessionProgram(to)]
  const process = new JSONLinesProcess(asPU(daemon, unit, waiting), daemon.env)
  await process.next()
  return {
    connect: () => {
      process.send('')
      return Session.on(process)
    },
    stop: () => process.stop(),
  }
}

export interface PreparedConnection {
  /** To be called once. */
  connect(): Promise<Session>
  stop(): Promise<void>
}

export interface Target {
  readonly address: string
  readonly port: number
  /** How long the connect may take. Default 3,500: longer than two resends of the SYN, which come at 1 and 3 s. */
  readonly timeoutMs?: number
}

function sessionProgram({ address, port, timeoutMs = 3_500 }: Target): readonly string[] {
  return program('session', address, String(port), String(timeoutMs))
}

async function listening(server: JSONLinesProcess): Promise<JSONLinesProcess> {
  const answer = await server.next()
  if (typeof answer === 'object' && answer !== null && 'listening' in answer) return server
  await server.stop()
  throw new Error(`the echo server does not listen: ${JSON.stringify(answer)}`)
}
