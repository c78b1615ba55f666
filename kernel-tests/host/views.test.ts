/** What `trireme status` and `trireme flows` show for people. */
import { afterEach, expect, it } from 'vitest'
import { Daemon } from '../harness/daemon.js'
import { eventually } from '../harness/eventually.js'
import { makeHost } from '../harness/hosts.js'
import { BATCH, FRONTEND, WEB, WEB_POLICY } from '../harness/pair.js'
import { connectAsPU, startServer } from '../harness/processing-unit.js'
import { Teardown } from '../harness/teardown.js'

const TARGET = { address: '127.0.0.1', port: 7000 }
const teardown = new Teardown()
afterEach(() => teardown.run())

it('a connection is one line with what both ends said, and flows are selected by options', async () => {
  const host = teardown.own(await makeHost())
  const daemon = teardown.own(await Daemon.start(host, { policy: WEB_POLICY }))
  teardown.own(await startServer(daemon, WEB))
  for (const unit of [FRONTEND, BATCH]) teardown.own(await connectAsPU(daemon, unit, TARGET))
  const lines = async (...options: readonly string[]) =>
    (await daemon.command('flows', ...options)).stdout.split('\n').filter(Boolean)
  await eventually('both ends have reported', async () => (await daemon.flows()).length >= 3)
  await eventually('a line per connection', async () => (await lines()).length === 2)
  const [accepted, rejected] = await lines()
  expect(accepted).toMatch(/accept .*app=frontend\) → .*app=web\) {2}web-from-frontend; both ends$/)
  expect(rejected).toMatch(/reject .*app=batch\) → .*policy: default deny/)
  expect(await lines('-n', '1')).toEqual([rejected])
  expect(await lines('--verdict', 'accept')).toEqual([accepted])
  expect(await lines('--tag', 'app=batch', '--since', '10m')).toEqual([rejected])
  expect(await lines('--pu', 'none')).toEqual([])
  expect(await daemon.command('flows', '--since', 'yesterday')).toMatchObject({ code: 2 })
  expect((await lines('--json')).length).toBeGreaterThan(2)
  const status = await daemon.command('status')
  expect(status.stdout).toMatch(/^daemon\n {2}\S+ is ready[\s\S]*\n\nPUs: \d\n {2}ID[\s\S]*\n\ncounters\n/)
})
