/** What Trireme may change on a machine, as text: two snapshots are equal if nothing of it was left behind. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Rules and sets of this network namespace, and the network namespaces and control groups that bear the daemon's server ID.
 * Rules without comments, counters, and tables that hold nothing but built-in chains with policy ACCEPT: a table once touched
 * stays listed.
 */
export function machineSnapshot(serverID) {
  const ofDaemon = names => names.filter(name => name.includes(serverID)).join('\n')
  const output = command => execFileSync(command[0], command.slice(1), { encoding: 'utf8' })
  return {
    'iptables-save': normaliseRules(output(['iptables-save'])),
    'ip6tables-save': normaliseRules(output(['ip6tables-save'])),
    'ipset list': output(['ipset', 'list', '-name']),
    'network namespaces': ofDaemon(output(['ip', 'netns', 'list']).split('\n')),
    'control groups': ofDaemon(controlGroups()),
  }
}

function normaliseRules(saved) {
  const lines = saved
    .split('\n')
    .filter(line => line !== '' && line !== 'COMMIT' && !line.startsWith('#'))
    .map(line => line.replace(/ \[\d+:\d+\]$/, ''))
  const tables = lines.join('\n').split(/^(?=\*)/m)
  return tables.filter(table => table.split('\n').slice(1).some(isRuleOrChain)).join('')
}

function isRuleOrChain(line) {
  return line !== '' && !/^:[A-Z]+ ACCEPT$/.test(line)
}

/** Folders of every hierarchy that is mounted. */
function controlGroups() {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  return mounts
    .filter(line => / - cgroup2? /.test(line))
    .map(line => line.split(' ')[4])
    .flatMap(foldersUnder)
}

function foldersUnder(folder) {
  return entriesOf(folder)
    .filter(entry => entry.isDirectory())
    .map(entry => join(folder, entry.name))
    .flatMap(path => [path, ...foldersUnder(path)])
}

function entriesOf(folder) {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    // Groups of others come and go while we look.
    if (error.code === 'ENOENT') return []
    throw error
  }
}
