import { readdir, readlink, stat } from 'node:fs/promises'

/** Where `ip netns` keeps namespaces that no process needs to be in. */
const NAMED = '/run/netns'

/** Whether a process is in the network namespace, or a name holds it. @param namespace as `net:[4026531840]`. */
export async function isNamespaceInUse(namespace: string): Promise<boolean> {
  const inode = Number(/\d+/.exec(namespace)?.[0])
  // A process, or a name, that is gone by now holds nothing.
  const nothing = () => undefined
  const names = await readdir(NAMED).catch(() => [])
  const named = await Promise.all(names.map(name => stat(`${NAMED}/${name}`).catch(nothing)))
  if (named.some(each => each?.ino === inode)) return true
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  const entered = await Promise.all(pids.map(pid => readlink(`/proc/${pid}/ns/net`).catch(nothing)))
  return entered.includes(namespace)
}
