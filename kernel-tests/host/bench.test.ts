import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runCommand } from '../harness/run-command.js'

it('the benchmark starts, measures the product, and writes tables, figures and charts', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bench-'))
  try {
    const options = ['--quick', '--variants', 'bare,psk', '--out', folder]
    const command = ['node', 'bench/run.mjs', ...options]
    const { code, stdout, stderr } = await runCommand(command, { timeoutMs: 110_000 })
    expect({ code, stderr }).toMatchObject({ code: 0 })
    expect(stdout).toMatch(/^\| psk \|/m)
    const { rows } = JSON.parse(await readFile(join(folder, 'results.json'), 'utf8'))
    expect(rows).toHaveLength(6)
    expect(await readFile(join(folder, 'connections.svg'), 'utf8')).toContain('>psk</text>')
  } finally {
    await rm(folder, { recursive: true })
  }
})
