import { expect, it } from 'vitest'
import { parsePrintedSockets } from './reset-connections.js'

const PRINTED = `tcp   ESTAB  0      0      127.0.0.1:41234   127.0.0.1:7000  timer:(keepalive,1min,0) ino:11 sk:1 <->
udp   UNCONN 0      0      0.0.0.0:5353      0.0.0.0:*       uid:5 ino:12 sk:2
tcp   LISTEN 0      511    *:7000            *:*             ino:13 sk:3 v6only:0
tcp   TIME-WAIT 0   0      [::1]:1           [::1]:2         timer:(timewait,1min,0) ino:0 sk:4
nonsense
`

it('reads protocol, state, addresses and inode, and leaves out what nobody holds', () => {
  expect(parsePrintedSockets(PRINTED)).toEqual([
    { protocol: 'tcp', state: 'ESTAB', local: '127.0.0.1:41234', peer: '127.0.0.1:7000', inode: 11 },
    { protocol: 'udp', state: 'UNCONN', local: '0.0.0.0:5353', peer: '0.0.0.0:*', inode: 12 },
    { protocol: 'tcp', state: 'LISTEN', local: '*:7000', peer: '*:*', inode: 13 },
  ])
})
