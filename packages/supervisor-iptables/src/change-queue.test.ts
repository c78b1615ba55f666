import { describe, expect, it } from 'vitest'
import { ChangeQueue } from './change-queue.js'

type Numbers = readonly number[]

describe('ChangeQueue', () => {
  it('gathers what arrives during a commit into the next one', async () => {
    const { queue, commits, release } = slowQueue()
    const first = queue.submit(add(1))
    await untilHeld(commits, 1)
    const others = [queue.submit(add(2)), queue.submit(add(3))]
    release()
    await first
    await untilHeld(commits, 2)
    release()
    await Promise.all(others)
    expect(commits).toEqual([[1], [1, 2, 3]])
    expect(queue.state).toEqual([1, 2, 3])
  })

  it('refuses only the culprit of a batch, and keeps the order', async () => {
    const commits: Numbers[] = []
    const queue = new ChangeQueue<Numbers>([], async next => {
      commits.push(next)
      if (next.includes(2)) throw new Error('no 2')
    })
    const results = await Promise.allSettled([1, 2, 3].map(number => queue.submit(add(number))))
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(commits).toEqual([[1, 2, 3], [1], [1, 2], [1, 3]])
    expect(queue.state).toEqual([1, 3])
  })

  it('refuses a change that throws', async () => {
    const queue = new ChangeQueue<Numbers>([], async () => {})
    const refusing = queue.submit(() => {
      throw new RangeError('mine')
    })
    const results = await Promise.allSettled([queue.submit(add(1)), refusing])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(queue.state).toEqual([1])
  })

  it('commits nothing where nothing changes', async () => {
    const commits: Numbers[] = []
    const queue = new ChangeQueue<Numbers>([], async next => void commits.push(next))
    await queue.submit(state => state)
    expect(commits).toEqual([])
  })

  it('goes on after a failure', async () => {
    let fails = true
    const queue = new ChangeQueue<Numbers>([], async () => {
      if (fails) throw new Error('once')
    })
    await expect(queue.submit(add(1))).rejects.toThrow('once')
    fails = false
    await queue.submit(add(2))
    await queue.settled()
    expect(queue.state).toEqual([2])
  })
})

function add(number: number) {
  return (state: Numbers) => [...state, number]
}

function slowQueue() {
  const commits: Numbers[] = []
  let release = () => {}
  const queue = new ChangeQueue<Numbers>([], next => {
    commits.push(next)
    return new Promise<void>(resolve => {
      release = resolve
    })
  })
  return { queue, commits, release: () => release() }
}

async function untilHeld(commits: readonly Numbers[], count: number): Promise<void> {
  while (commits.length < count) await Promise.resolve()
}
