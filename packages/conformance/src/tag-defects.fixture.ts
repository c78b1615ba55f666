import type { Tags } from '@trireme/core'
import { type Defect, tagsOfText, values, writing } from './defective-steps.fixture.js'
import { sealedTokens } from './sealed-tokens.fixture.js'

/** Engines that lose, join, split, trim, fold or order tags as they should not. */
export const TAG_DEFECTS: readonly Defect[] = inTags()

function inTags(): Defect[] {
  const joined = sealedTokens({
    writeTags: tags => tags.map(tag => `${tag.key}=${tag.value}`).join(','),
    readTags: text => tagsOfText(String(text)),
  })
  const members = sealedTokens({
    writeTags: tags => Object.fromEntries(tags.map(tag => [tag.key, tag.value])),
    readTags: tags => Object.entries(tags as Record<string, string>).map(([key, value]) => ({ key, value })),
  })
  const numbers = (value: string) => (Number.isNaN(Number(value)) ? value : String(Number(value)))
  const once = (tags: Tags) => [...new Map(tags.map(tag => [tag.key + tag.value, tag])).values()]
  const some = (title: string) => `gives back tags: ${title}`
  const long = 'gives back many tags and long ones, or says that it cannot'
  return [
    { what: 'tags joined by commas', title: some('separators in values'), setup: joined },
    { what: 'one value for a key', title: some('one key with several values'), setup: members },
    { what: 'tags as members of an object', title: some('names that every object has'), setup: members },
    {
      what: 'empty values dropped',
      title: some('an empty value'),
      setup: writing(tags => tags.filter(tag => tag.value !== '')),
    },
    {
      what: 'values trimmed',
      title: some('white space at the ends'),
      setup: values(value => value.trim()),
    },
    {
      what: 'values in lower case',
      title: some('upper and lower case'),
      setup: values(value => value.toLowerCase()),
    },
    {
      what: 'values normalized',
      title: some('two forms of one letter'),
      setup: values(value => value.normalize()),
    },
    { what: 'values ended by NUL', title: some('NUL'), setup: values(value => value.split('\0')[0]!) },
    {
      what: 'no escapes',
      title: some('quotes and escapes'),
      setup: values(value => value.replaceAll('\\', '')),
    },
    {
      what: 'values of two bytes a character',
      title: some('characters of one to four bytes'),
      setup: values(value => value.replaceAll(/[\u{10000}-\u{10ffff}]/gu, '?')),
    },
    { what: 'values as numbers', title: some('texts that look like other things'), setup: values(numbers) },
    {
      what: 'dots for slashes in keys',
      title: some('separators in keys'),
      setup: writing(tags => tags.map(tag => ({ ...tag, key: tag.key.replaceAll('/', '.') }))),
    },
    { what: 'key and value in one text', title: some('keys that begin each other'), setup: writing(once) },
    {
      what: 'tags in the order of UTF-16',
      title: some('the order of UTF-16 that is not that of UTF-8'),
      setup: sealedTokens({ writeTags: tags => tags.toSorted((a, b) => (a.value < b.value ? -1 : 1)) }),
    },
    {
      what: 'values cut at 255 bytes',
      title: long,
      setup: values(value => Buffer.from(value).subarray(0, 255).toString()),
    },
    { what: 'at most 16 tags', title: long, setup: writing(tags => tags.slice(0, 16)) },
    {
      what: 'tags in the order given',
      title: 'has one meaning for the same tags in any order and number',
      setup: sealedTokens({ writeTags: tags => tags }),
    },
  ]
}
