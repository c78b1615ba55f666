import { KernelError, TriremeError } from '@trireme/core'
import { expect, it } from 'vitest'
import { CommandFailure, exitStatusOf } from './failure.js'

it.each([
  [new TriremeError('ERR_CONFIG', 'bad file'), 2],
  [new TriremeError('ERR_POLICY', 'bad policy'), 2],
  [new TriremeError('ERR_MISSING_CAPABILITY', 'no iptables'), 3],
  [new TriremeError('ERR_PEER_DEPENDENCY', 'no plugin'), 3],
  [new KernelError({ op: 'bind', errno: 'EPERM' }), 3],
  [Object.assign(new Error('EROFS: read-only file system'), { errno: -30, code: 'EROFS' }), 3],
  [new CommandFailure(125, 'not run'), 125],
  [new AggregateError([new TriremeError('ERR_CONFIG', 'first'), new Error('second')], 'both'), 2],
  [new Error('a defect'), 1],
  ['text', 1],
])('says by the exit status who can mend it: %s', (error, status) => {
  expect(exitStatusOf(error)).toBe(status)
})
