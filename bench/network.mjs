import { execFile, execFileSync, spawn } from 'node:child_process'
import process from 'node:process'
import { promisify } from 'node:util'

const run = promisify(execFile)
const SETTINGS = [
  'net.ipv4.ip_local_port_range=1024 65535',
  'net.ipv4.tcp_tw_reuse=1',
  'net.ipv4.tcp_syncookies=0',
  'net.core.somaxconn=4096',
  'net.ipv4.tcp_max_syn_backlog=4096',
  'net.ipv6.conf.all.disable_ipv6=1',
]

/** Two network namespaces joined by veth: the client is 10.77.0.1 in the first, the server 10.77.0.2 in the second. */
export function makeNetwork() {
  const names = [1, 2].map(host => `trb-${process.pid}-${host}`)
  const ip = (...args) => execFileSync('ip', args)
  const inside = (host, command) => ['nsenter', `--net=/run/netns/${names[host - 1]}`, '--', ...command]
  for (const name of names) ip('netns', 'add', name)
  ip('link', 'add', 'v1', 'netns', names[0], 'type', 'veth', 'peer', 'name', 'v2', 'netns', names[1])
  for (const [i, name] of names.entries()) {
    ip('-n', name, 'address', 'add', `10.77.0.${i + 1}/24`, 'dev', `v${i + 1}`)
    for (const link of ['lo', `v${i + 1}`]) ip('-n', name, 'link', 'set', link, 'up')
    const [program, ...args] = inside(i + 1, ['sysctl', '-qw', ...SETTINGS])
    execFileSync(program, args)
  }
  return {
    /** Runs a command to its end and returns what it wrote. */
    async run(host, command) {
      const [program, ...args] = inside(host, command)
      return (await run(program, args, { maxBuffer: 1 << 26 })).stdout
    },
    /** Starts a command; its standard output is piped. */
    spawn(host, command) {
      const [program, ...args] = inside(host, command)
      return spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    },
    remove() {
      for (const name of names) ip('netns', 'delete', name)
    },
  }
}
