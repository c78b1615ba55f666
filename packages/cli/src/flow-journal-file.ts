import { appendFile, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { FlowJournal } from '@trireme/enforcer-nfq'
import { writeAtomically } from './write-atomically.js'

const PLACES = ['own', 'per-pu'] as const

/** A journal in the state directory, readable for root alone. Appends may be lost with the machine's power, not with the process. */
export function flowJournalFile(stateDir: string, place: 'own' | 'per-pu'): FlowJournal {
  const path = pathOf(stateDir, place)
  return {
    read: () => readLines(path),
    append: lines => appendFile(path, `${lines.join('\n')}\n`, { mode: 0o600 }),
    rewrite: lines => writeAtomically(path, lines.join('\n')),
  }
}

export async function removeFlowJournals(stateDir: string): Promise<void> {
  for (const place of PLACES) await rm(pathOf(stateDir, place), { force: true })
}

async function readLines(path: string): Promise<readonly string[]> {
  try {
    return (await readFile(path, 'utf8')).split('\n').filter(Boolean)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

function pathOf(stateDir: string, place: string): string {
  return join(stateDir, `live-flows-${place}.jsonl`)
}
