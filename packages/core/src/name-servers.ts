import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync, readSync } from 'node:fs'
import { isIP } from 'node:net'
import { join, normalize } from 'node:path'
import type { PURuntime } from './pu.js'

/** Docker's resolver, in each container of a network with a name. */
export const EMBEDDED_RESOLVER = '127.0.0.11'

const PATH = '/etc/resolv.conf'
/** More than any resolv.conf holds: the PU may write the file. */
const MAX_BYTES = 65_536
/** As many as programs ask (`MAXNS` of resolv.h). */
const MAX_SERVERS = 3
/** As many symbolic links as Linux follows (path_resolution(7)). */
const MAX_LINKS = 40

/** The addresses in a resolv.conf(5), without their zones, at most three. */
export function nameServers(text: string): readonly string[] {
  const servers = [...text.matchAll(/^nameserver[ \t]+([^\s%]+)/gm)].map(([, server = '']) => server)
  return servers.filter(server => isIP(server) !== 0).slice(0, MAX_SERVERS)
}

/**
 * The resolvers in force for a PU; none where they cannot be read. A PU with a network namespace of its own has those of the
 * resolv.conf that its first process sees; with Docker's resolver come those that this one asks from inside the container. A PU in the
 * host's namespace has the host's: any process can make a mount namespace in which that file says something else.
 */
export function readNameServers({ pid, isolation }: Pick<PURuntime, 'pid' | 'isolation'>): readonly string[] {
  const isOnHost = isolation.by !== 'netns' && isolation.by !== 'interfaces'
  return nameServersIn(isOnHost || pid === undefined ? '/' : `/proc/${pid}/root`)
}

/** The resolvers in force for processes with this root directory, on a host with that one. */
export function nameServersIn(root: string, hostRoot = '/'): readonly string[] {
  const text = readInRoot(root)
  const servers = nameServers(text)
  if (!servers.includes(EMBEDDED_RESOLVER)) return servers
  return [...new Set([...servers, ...forwarders(text, hostRoot)])]
}

/** Docker notes them in a comment: `ExtServers: [192.0.2.1 host(127.0.0.53)]`; what is marked `host` is asked from the host. */
function forwarders(text: string, hostRoot: string): readonly string[] {
  const noted = /^# ExtServers: \[([^\]\n]*)\]/m.exec(text)?.[1]
  const servers = noted === undefined ? nameServers(readInRoot(hostRoot)) : noted.split(/\s+/)
  return servers.filter(server => isIP(server) !== 0 && !server.startsWith('127.')).slice(0, MAX_SERVERS)
}

/** The PU owns its files: links are followed below `root` alone, and what is no regular file is not read. */
function readInRoot(root: string): string {
  let descriptor: number | undefined
  try {
    const path = resolveInRoot(root, PATH)
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    if (!fstatSync(descriptor).isFile()) return ''
    const buffer = Buffer.alloc(MAX_BYTES)
    return buffer.toString('utf8', 0, readSync(descriptor, buffer, 0, MAX_BYTES, 0))
  } catch (error) {
    // There is none, or the process has ended.
    if (error instanceof Error && 'code' in error) return ''
    throw error
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

/** Where an absolute path leads for a process with this root. A device is refused here: opening it might already do something. */
function resolveInRoot(root: string, path: string): string {
  const ahead = path.split('/')
  let links = 0
  let at = '/'
  while (ahead.length > 0) {
    const name = ahead.shift() ?? ''
    const next = normalize(join(at, name))
    const found = lstatSync(join(root, next))
    if (!found.isSymbolicLink()) {
      if (!found.isDirectory() && !found.isFile()) throw noFile(next)
      at = next
      continue
    }
    links += 1
    if (links > MAX_LINKS) throw noFile(next)
    const target = readlinkSync(join(root, next))
    if (target.startsWith('/')) at = '/'
    ahead.unshift(...target.split('/'))
  }
  return join(root, at)
}

function noFile(path: string): Error {
  return Object.assign(new Error(`${path}: expected a file`), { code: 'EINVAL' })
}
