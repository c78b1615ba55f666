import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CHECKOUT } from './checkout.js'

/** A fenced block of a document. */
export interface CodeBlock {
  readonly language: string
  /** What stands behind the language. */
  readonly mark: string
  readonly text: string
  /** Of its first fence. */
  readonly line: number
}

/** The fenced blocks of a document of the checkout, in their order. */
export function codeBlocks(document: string): readonly CodeBlock[] {
  const text = readFileSync(join(CHECKOUT, document), 'utf8')
  return [...text.matchAll(/^```(\w*) *(.*)\n([\s\S]*?)^```$/gm)].map(match => {
    const [, language = '', mark = '', content = ''] = match
    return { language, mark, text: content, line: text.slice(0, match.index).split('\n').length }
  })
}
