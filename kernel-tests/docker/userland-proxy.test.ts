/** A port that a container publishes, dialled from another container of the same host by an address of the host. */
import type { FlowRecord } from '@trireme/core'
import { afterAll, describe, expect, it } from 'vitest'
import { makeTwoHosts } from '../harness/hosts.js'
import { Teardown } from '../harness/teardown.js'
import { DockerEngine } from './docker-engine.js'
import { Protection } from './protection.js'

const PORT = 8080
const GATEWAY = '172.17.0.1'
const POLICY = {
  default: 'deny',
  rules: [{ name: 'web-from-client', from: { app: 'client' }, to: { app: 'web' }, action: 'allow' }],
}
const teardown = new Teardown()
afterAll(() => teardown.run())

describe.each([true, false])('with userland-proxy %s, a published port of the same host', hasProxy => {
  it(
    hasProxy ? 'is refused: the proxy that answers has no identity' : 'is reached by identity alone',
    async () => {
      const { a: host, stop } = await makeTwoHosts()
      teardown.add(stop)
      const engine = teardown.own(await DockerEngine.start(host.namespace, [`--userland-proxy=${hasProxy}`]))
      const protection = teardown.own(await Protection.start(engine, { policy: POLICY }))
      const serve = ['nc', '-ll', '-p', '80', '-e', 'echo', 'I am web']
      await protection.until(await engine.run(['-l', 'app=web', '-p', `${PORT}:80`], ...serve), 'start')
      for (const app of ['client', 'stranger']) {
        await protection.until(await engine.run(['--name', app, '-l', `app=${app}`], 'sleep', '600'), 'start')
      }
      const ask = async (from: string, address: string) =>
        (await engine.docker('exec', from, 'nc', '-w', '3', address, String(PORT))).stdout.trim()
      for (const address of [host.addresses.IPv4, GATEWAY]) {
        expect(await ask('client', address)).toBe(hasProxy ? '' : 'I am web')
        expect(await ask('stranger', address)).toBe('')
      }
      const isExplained = ({ verdict, reason }: FlowRecord) =>
        verdict === 'reject' && reason === (hasProxy ? 'stripped-or-unenforced' : 'policy')
      expect(protection.flows.some(isExplained)).toBe(true)
    },
  )
})
