import { spawn } from 'node:child_process'
import process from 'node:process'
import { formatTag, KernelError, parseTag, type Tags, TriremeError } from '@trireme/core'
import type { ContainerExtractor, ContainerPU } from './container-pu.js'
import { containerName } from './label-extractor.js'

export interface CommandExtractorOptions {
  /** The program and its arguments. It reads the inspection as JSON on its standard input. */
  readonly command: readonly [program: string, ...args: string[]]
  /** After this long it is killed, and the container refused. Default 5000. */
  readonly timeoutMs?: number
}

const MAX_ANSWER_CHARACTERS = 1024 * 1024

/**
 * Asks a program. It answers on its standard output with a JSON object `{ "name": …, "tags": … }`, the name optional; tags are
 * `{ "app": "web" }`, `["app=web"]` or `[{ "key": "app", "value": "web" }]`. `null` means that the container is no PU.
 * Rejects with `KernelError` where it fails or takes too long, with `TriremeError` where its answer is none.
 */
export function commandExtractor(options: CommandExtractorOptions): ContainerExtractor {
  return async container => {
    const answer = await ask(options, JSON.stringify(container))
    return parseAnswer(answer, { program: options.command[0], name: containerName(container) })
  }
}

function ask({ command, timeoutMs = 5000 }: CommandExtractorOptions, input: string): Promise<string> {
  const [program, ...args] = command
  return new Promise((resolve, reject) => {
    const fail = (errno: string, detail: string, cause?: unknown) =>
      reject(new KernelError({ op: `extractor ${program}`, errno, detail, cause }))
    // A group of its own, so that what the program has started ends with it.
    const child = spawn(program, args, { detached: true })
    let isStopped = false
    const stop = () => {
      isStopped = true
      killGroup(child.pid!)
      // What left the group may hold them open for as long as it likes.
      child.stdout.destroy()
      child.stderr.destroy()
    }
    const timer = setTimeout(stop, timeoutMs)
    let answer = ''
    let complaint = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      answer += chunk
      if (answer.length > MAX_ANSWER_CHARACTERS) stop()
    })
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      complaint = (complaint + chunk).slice(-1000)
    })
    child.on('error', error => {
      clearTimeout(timer)
      fail((error as NodeJS.ErrnoException).code ?? 'unknown', error.message, error)
    })
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (isStopped) return fail('SIGKILL', `no answer within ${timeoutMs} ms, or none that ends`)
      if (code === 0) return resolve(answer)
      fail(signal ?? `exit ${code}`, complaint.trim())
    })
    // A program that ends without reading tells so by its exit status.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL')
  } catch (error) {
    // All of it has ended already.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function parseAnswer(
  answer: string,
  { program, name }: { readonly program: string; readonly name: string },
): ContainerPU | undefined {
  let pu: unknown
  try {
    pu = JSON.parse(answer)
  } catch (cause) {
    throw answerError(program, answer, 'JSON', cause)
  }
  if (pu === null) return undefined
  if (typeof pu !== 'object') throw answerError(program, answer, 'an object')
  // The Go library's programs write members with capitals.
  const { name: given, Name, tags: listed, Tags } = pu as Readonly<Record<string, unknown>>
  const tags = tagsOf(listed ?? Tags)
  if (tags === undefined) throw answerError(program, answer, 'tags as an object of texts or a list')
  const named = given ?? Name
  return { name: typeof named === 'string' ? named : name, tags }
}

/** Undefined for what is none of the three forms. */
function tagsOf(value: unknown): Tags | undefined {
  if (Array.isArray(value)) {
    const tags = value.map(tagOf)
    return tags.every(tag => tag !== undefined) ? tags : undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { Tags } = value as Readonly<Record<string, unknown>>
  if (Array.isArray(Tags)) return tagsOf(Tags)
  return tagsOf(Object.entries(value).map(([key, each]) => ({ key, value: each })))
}

function tagOf(value: unknown): Tags[number] | undefined {
  if (typeof value === 'string') return parseTag(value)
  const { key, value: text } = (value ?? {}) as Readonly<Record<string, unknown>>
  if (typeof key !== 'string' || typeof text !== 'string') return undefined
  return parseTag(formatTag({ key, value: text }))
}

function answerError(program: string, answer: string, expected: string, cause?: unknown): TriremeError {
  const shown = JSON.stringify(answer.slice(0, 80))
  return new TriremeError('ERR_CONFIG', `extractor ${program}: answer ${shown}: expected ${expected}`, {
    cause,
  })
}
