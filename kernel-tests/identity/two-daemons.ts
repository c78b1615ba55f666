import { join } from 'node:path'
import { newCA } from '../../packages/cli/src/keys/new-ca.js'
import { newNode } from '../../packages/cli/src/keys/new-node.js'
import { Daemon } from '../harness/daemon.js'
import { makeTwoHosts } from '../harness/hosts.js'
import { WEB_POLICY } from '../harness/pair.js'
import type { Teardown } from '../harness/teardown.js'

/** A daemon on either of two hosts, neither of them started: their secrets are still to be made. */
export interface TwoDaemons {
  readonly client: Daemon
  readonly server: Daemon
}

/** What a configuration may say under `auth`. */
export type Auth = Readonly<Record<string, unknown>>

export async function prepareTwoDaemons(teardown: Teardown): Promise<TwoDaemons> {
  const { a, b } = teardown.own(await makeTwoHosts())
  const client = teardown.own(await Daemon.prepare(a, { policy: WEB_POLICY }))
  const server = teardown.own(await Daemon.prepare(b, { policy: WEB_POLICY }))
  return { client, server }
}

/** A new CA in a folder beside the daemons' own, and a key with its certificate or statement for each of them, in `<name>`. */
export async function issueNodeKeys(
  { client, server }: TwoDaemons,
  name: string,
  compact = false,
): Promise<void> {
  const ca = join(client.folder, `${name}-ca`)
  await newCA({ out: ca, name, days: 30 })
  for (const { serverID, folder } of [client, server]) {
    await newNode({ ca, out: join(folder, name), name: serverID, days: 10, compact })
  }
}

/** The `auth` of a node whose keys `issueNodeKeys` made under this name. */
export function pkiAuth(name: string, ca = `${name}/ca.pem`): { readonly pki: Auth } {
  return { pki: { key: `${name}/key.pem`, cert: `${name}/cert.pem`, ca } }
}
