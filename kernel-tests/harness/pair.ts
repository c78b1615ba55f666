import { Daemon, type DaemonOptions } from './daemon.js'
import { type Host, makeTwoHosts } from './hosts.js'
import type { JSONLinesProcess } from './json-lines-process.js'
import { type ProcessingUnit, startServer } from './processing-unit.js'
import type { Teardown } from './teardown.js'

export const WEB: ProcessingUnit = { labels: { app: 'web' }, ports: [7000] }
export const FRONTEND: ProcessingUnit = { labels: { app: 'frontend' } }
export const BATCH: ProcessingUnit = { labels: { app: 'batch' } }

/** Only the frontend may connect to the web server, and only to port 7000. */
export const WEB_POLICY = {
  default: 'deny',
  rules: [
    {
      name: 'web-from-frontend',
      to: { app: 'web' },
      from: { app: 'frontend' },
      ports: [7000],
      action: 'allow',
    },
  ],
}

export interface PairOptions {
  /** Default: two hosts on one wire. */
  readonly hosts?: { readonly a: Host; readonly b: Host }
  readonly client?: Partial<DaemonOptions>
  readonly server?: Partial<DaemonOptions>
  /** For both, beneath what each says for itself. Default policy: `WEB_POLICY`. */
  readonly both?: Partial<DaemonOptions>
  /** What is done on each host, the client's first, before there is a daemon. */
  readonly prepare?: (host: Host) => Promise<void>
}

/** A daemon on either of two hosts, and the web server as a PU on the second. */
export interface Pair {
  readonly clientHost: Host
  readonly serverHost: Host
  readonly client: Daemon
  readonly server: Daemon
  readonly web: JSONLinesProcess
}

/** Everything that a two-host test starts from; `teardown` takes it down again, also after a failed start. */
export async function startPair(teardown: Teardown, options: PairOptions = {}): Promise<Pair> {
  const hosts = options.hosts ?? teardown.own(await makeTwoHosts())
  for (const host of [hosts.a, hosts.b]) await options.prepare?.(host)
  const base = { policy: WEB_POLICY, ...options.both }
  const server = teardown.own(await Daemon.start(hosts.b, { ...base, ...options.server }))
  const client = teardown.own(await Daemon.start(hosts.a, { ...base, ...options.client }))
  const web = teardown.own(await startServer(server, WEB))
  return { clientHost: hosts.a, serverHost: hosts.b, client, server, web }
}
