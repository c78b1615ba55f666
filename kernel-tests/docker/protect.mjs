/**
 * A whole Trireme with the Docker monitor, as a program: `protect.mjs OPTIONS_JSON`. Options: serverID, engine, policy (as the
 * policy file has it), generation, `hostNetwork` (whether containers in the
 * host's network are enforced, for which rules in the host's namespace are needed) and `monitor`, the monitor's own. It prints a JSON value a line: `{ "ready": ms }`,
 * `{ "flow": … }`, `{ "pu": … }`, `{ "problem": … }`; the answer to a line of input is `{ "done": … }`. Input: `{ "policy": … }`
 * applies a policy to all that runs, `{ "resources": true }` asks what the process uses. It ends with its input.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { DEFAULT_TRIREME_NETWORKS, newTrireme, pskSecrets } from '@trireme/core'
import { nfqEnforcer } from '@trireme/enforcer-nfq'
import { dockerMonitor } from '@trireme/monitor-docker'
import { parsePolicy, policyFor } from '@trireme/policy-file'
import { iptablesSupervisor } from '@trireme/supervisor-iptables'
import { binaryTokens } from '@trireme/tokens-binary'

const options = JSON.parse(process.argv[2])
const {
  serverID,
  engine,
  policy,
  generation = 0,
  hostNetwork = false,
  monitor: monitorOptions = {},
} = options
const isLocal = monitorOptions.enforcement === 'local'
const say = value => process.stdout.write(`${JSON.stringify(value)}\n`)
const context = { authorization: 'mutual', serverID }
let document = parsePolicy(JSON.stringify(policy))

const secrets = pskSecrets({ key: Buffer.from('a shared secret of the kernel tests') })
const tokenEngine = binaryTokens()({ secrets })
const collector = { collectFlowEvent: flow => say({ flow }), collectPUEvent: pu => say({ pu }) }
const onError = error => say({ problem: { kind: 'enforcer', error: String(error) } })
// The engine's own address pools beside the default.
const trireme4 = ['172.16.0.0/12', '192.168.0.0/16']
const networks = { trireme: [...new Set([...DEFAULT_TRIREME_NETWORKS, ...trireme4])], excluded: [] }
const onHost = hostNetwork || isLocal ? isolator('own') : undefined
const isolators = {
  container: isLocal ? onHost : isolator('per-pu'),
  ...(hostNetwork && { 'linux-process': onHost }),
}
const resolver = { resolvePolicy: (_, runtime) => policyFor(document, runtime, context), handlePUEvent() {} }
const trireme = newTrireme({ serverID, resolver, collector, isolators })
const onProblem = ({ kind, contextID, error }) =>
  say({ problem: { kind, contextID, error: String(error), cause: String(error?.cause) } })
const monitor = dockerMonitor({ engine, onProblem, ...monitorOptions })({ handler: trireme, collector })

const began = performance.now()
await trireme.start()
await monitor.start()
await trireme.reconcile()
say({ ready: performance.now() - began })

for await (const line of createInterface({ input: process.stdin })) {
  try {
    say({ done: await answer(JSON.parse(line)) })
  } catch (error) {
    say({ done: { error: String(error) } })
  }
}
await monitor.stop()
await trireme.stop()
process.exit(0)

function isolator(namespaces) {
  const enforcer = nfqEnforcer({ authorization: 'mutual', generation, namespaces, onError })({
    ...{ serverID, tokenEngine, secrets, collector, networks },
  })
  const filterQueue = () => enforcer.filterQueue()
  const extras = isLocal && { whileEmpty: 'absent', expectsInterfaces: true }
  return {
    enforcer,
    supervisor: iptablesSupervisor({ namespaces, ...extras })({ serverID, filterQueue, networks }),
  }
}

/** The folder's own descriptor is gone when it is looked at. */
function linkOf(descriptor) {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`)
  } catch {
    return ''
  }
}

async function answer(request) {
  if (request.resources) {
    global.gc?.()
    const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8')
      .split(' ')
      .filter(Boolean)
    const files = readdirSync('/proc/self/fd').map(linkOf)
    const namespaces = files.filter(link => link.startsWith('net:')).length
    return { rss: process.memoryUsage.rss(), files: files.length, namespaces, children: children.length }
  }
  if (request.list) return monitor.list()
  document = parsePolicy(JSON.stringify(request.policy))
  for (const { contextID, runtime } of trireme.puInfos()) {
    await trireme.updatePolicy(contextID, policyFor(document, runtime, context))
  }
  return true
}
