import { expect, it } from 'vitest'
import { UserQuota } from './user-quota.js'

it('counts what runs and what is about to start, for each user alone', async () => {
  const quota = new UserQuota(3)
  const never = () => new Promise<void>(() => {})
  void quota.within(1000, 1, never)
  void quota.within(1000, 1, never)
  await expect(quota.within(1000, 1, never)).rejects.toMatchObject({
    code: 'ERR_NOT_PERMITTED',
    message: 'user 1000 has 3 PUs, the most there may be: end some',
  })
  expect(await quota.within(1001, 2, async () => 'started')).toBe('started')
})

it('a start that fails, or has ended, is counted no more', async () => {
  const quota = new UserQuota(1)
  const failing = () => Promise.reject(new Error('no'))
  for (let count = 0; count < 3; count++) await expect(quota.within(1000, 0, failing)).rejects.toThrow('no')
  expect(await quota.within(1000, 0, async () => 'started')).toBe('started')
  await expect(quota.within(1000, 1, failing)).rejects.toMatchObject({ code: 'ERR_NOT_PERMITTED' })
})
