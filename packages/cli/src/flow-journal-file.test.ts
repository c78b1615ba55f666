import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { flowJournalFile, removeFlowJournals } from './flow-journal-file.js'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trireme-journal-'))
})
afterEach(() => rm(folder, { recursive: true }))

it('keeps lines over restarts, one file a place, for its owner alone', async () => {
  const journal = flowJournalFile(folder, 'own')
  expect(await journal.read()).toEqual([])
  await journal.append(['a', 'b'])
  await journal.append(['c'])
  expect(await flowJournalFile(folder, 'own').read()).toEqual(['a', 'b', 'c'])
  expect(await flowJournalFile(folder, 'per-pu').read()).toEqual([])
  await journal.rewrite(['d'])
  await journal.append(['e'])
  expect(await flowJournalFile(folder, 'own').read()).toEqual(['d', 'e'])
  const [file] = await readdir(folder)
  expect((await stat(join(folder, file!))).mode & 0o777).toBe(0o600)
  await removeFlowJournals(folder)
  expect(await readdir(folder)).toEqual([])
})

it('says what is wrong with a file that cannot be read', async () => {
  const journal = flowJournalFile(join(folder, 'x\0'), 'own')
  await expect(journal.read()).rejects.toThrow()
})
