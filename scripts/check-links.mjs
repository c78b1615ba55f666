/** Every relative link in the repository's documents leads to a file, and to a heading of it where it names one. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import process from 'node:process'
import { root } from './setup.mjs'

const SKIPPED = new Set(['node_modules', 'dist', 'build', 'reports', '.git', '.turbo'])
const LINK = /\]\(([^()\s]+)\)/g

const documents = documentsUnder(root)
const broken = documents.flatMap(brokenLinks)
for (const line of broken) console.error(line)
console.log(`${documents.length} documents, ${broken.length} broken links`)
process.exitCode = documents.length > 0 && broken.length === 0 ? 0 : 1

function documentsUnder(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : documentsUnder(path)
    return entry.name.endsWith('.md') ? [path] : []
  })
}

function brokenLinks(document) {
  const targets = [...withoutCode(readFileSync(document, 'utf8')).matchAll(LINK)].map(match => match[1])
  return targets
    .filter(target => !/^[a-z]+:/.test(target) && !leadsSomewhere(document, target))
    .map(target => `${relative(root, document)}: ${target} leads nowhere`)
}

function leadsSomewhere(document, target) {
  const [path, heading] = target.split('#')
  const file = path === '' ? document : resolve(dirname(document), path)
  if (!existsSync(file)) return false
  if (heading === undefined || !statSync(file).isFile()) return heading === undefined
  return headings(readFileSync(file, 'utf8')).includes(heading)
}

/** The anchors of a document's headings, in the spelling of the usual renderers. */
function headings(text) {
  return [...withoutCode(text).matchAll(/^#+ +(.+)$/gm)].map(match =>
    match[1]
      .trim()
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

function withoutCode(text) {
  return text.replace(/^```[\s\S]*?^```/gm, '')
}
