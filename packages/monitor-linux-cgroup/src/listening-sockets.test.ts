import { type AddressInfo, createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseSocketLine, readListeningSockets } from './listening-sockets.js'
import { readSocketInodes } from './process-sockets.js'

const server = createServer()
beforeAll(() => new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve)))
afterAll(() => new Promise(resolve => server.close(resolve)))

describe('listening sockets', () => {
  it('of this process are found, with their ports', async () => {
    const { port } = server.address() as AddressInfo
    const socket = (await readListeningSockets()).find(each => each.port === port)
    expect(await readSocketInodes(process.pid)).toContain(socket?.inode)
  })

  it('of a process that is gone are none', async () => {
    expect(await readSocketInodes(4_000_000)).toEqual([])
  })
})

describe('parseSocketLine', () => {
  it('reads a listener', () => {
    const line =
      '   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0'
    expect(parseSocketLine(line)).toEqual({ port: 8080, state: '0A', inode: 4711 })
  })

  it.each(['', '  sl  local_address rem_address   st', 'x y z'])('takes %j for none', line => {
    expect(parseSocketLine(line)).toBeUndefined()
  })
})
