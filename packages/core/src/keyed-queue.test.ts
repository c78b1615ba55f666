import { expect, it } from 'vitest'
import { KeyedQueue } from './keyed-queue.js'

const tick = () => new Promise<void>(resolve => setImmediate(resolve))

it('tasks of a key run one at a time and in order, keys beside each other, and idle keys are freed', async () => {
  const queue = new KeyedQueue()
  const log: string[] = []
  const release: (() => void)[] = []
  const task = (name: string) => async () => {
    log.push(`${name} begins`)
    await new Promise<void>(resolve => release.push(resolve))
    log.push(`${name} ends`)
    return name
  }
  const a1 = queue.run('a', task('a1'))
  const a2 = queue.run('a', task('a2'))
  const b1 = queue.run('b', task('b1'))
  await tick()
  expect(log).toEqual(['a1 begins', 'b1 begins'])
  release.shift()?.()
  expect(await a1).toBe('a1')
  await tick()
  expect(log).toEqual(['a1 begins', 'b1 begins', 'a1 ends', 'a2 begins'])
  const settled = queue.settled()
  for (const next of release) next()
  expect(await Promise.all([a2, b1])).toEqual(['a2', 'b1'])
  await settled
  expect(queue.size).toBe(0)
})

it('a task that fails rejects its own promise alone', async () => {
  const queue = new KeyedQueue()
  const failing = queue.run('a', () => Promise.reject(new Error('no')))
  const next = queue.run('a', async () => 'yes')
  await expect(failing).rejects.toThrow('no')
  expect(await next).toBe('yes')
})
