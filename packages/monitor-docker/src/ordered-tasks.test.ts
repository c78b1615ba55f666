import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { OrderedTasks } from './ordered-tasks.js'

describe('OrderedTasks', () => {
  it('keeps the order of each key and the limit over all', async () => {
    const plan = fc.array(
      fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), ticks: fc.nat(3), fails: fc.boolean() }),
    )
    await fc.assert(
      fc.asyncProperty(plan, fc.integer({ min: 1, max: 3 }), async (tasks, limit) => {
        const ordered = new OrderedTasks(limit)
        const done = new Map<string, number[]>()
        let running = 0
        const busy = new Set<string>()
        const results = tasks.map(({ key, ticks, fails }, i) =>
          ordered.run(key, async () => {
            running += 1
            expect(running).toBeLessThanOrEqual(limit)
            expect(busy.has(key)).toBe(false)
            busy.add(key)
            for (let tick = 0; tick < ticks; tick++) await Promise.resolve()
            busy.delete(key)
            running -= 1
            done.set(key, [...(done.get(key) ?? []), i])
            if (fails) throw new Error(String(i))
            return i
          }),
        )
        const settled = await Promise.allSettled(results)
        await ordered.idle()
        expect(settled.map(({ status }) => status === 'rejected')).toEqual(tasks.map(({ fails }) => fails))
        for (const [key, order] of done) {
          expect(order).toEqual(tasks.flatMap((task, i) => (task.key === key ? [i] : [])))
        }
      }),
    )
  })
})
