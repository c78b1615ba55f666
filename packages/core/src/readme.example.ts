import { DENY_ALL, isReservedTagKey, newTrireme, type PolicyResolver } from '@trireme/core'
import { newTestIsolator, testRuntime } from '@trireme/core/testing'

const resolver: PolicyResolver = {
  resolvePolicy: (contextID, runtime) => ({
    ...DENY_ALL,
    managementID: contextID,
    identity: runtime.tags.filter(tag => !isReservedTagKey(tag.key)),
    receiverRules: [
      {
        name: 'from-frontend',
        action: 'accept',
        clauses: [{ key: 'app', operator: '=', values: ['frontend'] }],
      },
    ],
  }),
  handlePUEvent: (contextID, event) => console.log(contextID, event),
}

const isolators = { 'linux-process': newTestIsolator() }
const trireme = newTrireme({ serverID: 'host-a', resolver, isolators })
await trireme.start()
trireme.setPURuntime('web', testRuntime())
await trireme.handlePUEvent('web', 'start')
await trireme.stop()
