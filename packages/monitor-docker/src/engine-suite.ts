import { expect, it } from 'vitest'
import type { ContainerEvent } from './container-event.js'
import type { Engine } from './engine.js'

/** An engine with the means to make a container live. Commands resolve when they have taken effect. */
export interface EngineLab {
  readonly engine: Engine
  /** Answers with the ID of a container with the label `app=web`, not started. */
  create(name: string): Promise<string>
  start(id: string): Promise<void>
  remove(id: string): Promise<void>
}

/** What every engine does, be it the real one or its twin in memory. */
export function describeEngine(lab: () => EngineLab): void {
  const containers = async () => (await lab().engine.list()).map(({ id }) => id)

  it('lists and describes containers', async () => {
    const { engine, create, start, remove } = lab()
    const id = await create('shop')
    expect(await engine.list()).toContainEqual({ id, state: expect.stringMatching(/created|exited/) })
    expect(await engine.inspect(id)).toMatchObject({
      Id: id,
      Name: '/shop',
      State: { Running: false, Pid: 0 },
      Config: { Labels: { app: 'web' } },
    })
    await start(id)
    expect(await engine.list()).toContainEqual({ id, state: 'running' })
    const running = await engine.inspect(id)
    expect(running?.State).toMatchObject({ Running: true, Paused: false })
    expect(running?.State.Pid).toBeGreaterThan(0)
    await remove(id)
    expect(await containers()).not.toContain(id)
    expect(await engine.inspect(id)).toBeUndefined()
  })

  it('tells of events in order, and of earlier ones to those who ask', async () => {
    const { engine, create, start, remove } = lab()
    const early: ContainerEvent[] = []
    const first = await engine.subscribe(engine.timeNano, event => early.push(event))
    const id = await create('told')
    await start(id)
    await engine.kill(id)
    await remove(id)
    const actions = (events: readonly ContainerEvent[]) =>
      events
        .filter(event => event.containerID === id && !event.action.includes('connect'))
        .map(({ action }) => action)
    const expected = ['create', 'start', 'die', 'destroy']
    await expect.poll(() => actions(early)).toEqual(expected)
    const late: ContainerEvent[] = []
    const second = await engine.subscribe(engine.timeNano, event => late.push(event))
    await expect.poll(() => actions(late)).toEqual(expected)
    for (const stream of [first, second]) {
      stream.close()
      await stream.ended
    }
  })

  it('kills what runs, and takes it easy where nothing does', async () => {
    const { engine, create, start, remove } = lab()
    const id = await create('victim')
    await engine.kill(id)
    await start(id)
    await engine.kill(id)
    await expect.poll(async () => (await engine.inspect(id))?.State.Running).toBe(false)
    await remove(id)
    await engine.kill(id)
  })
}
