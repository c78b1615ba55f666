import { expect, it } from 'vitest'
import { isContextID, newContextID } from './context-id.js'
import { cgroupFolderName } from './folder-name.js'

it('names a folder by a plain name', () => {
  expect(cgroupFolderName('host-a.example')).toBe('trireme-host-a.example')
})

it.each(['../..', 'a/b', '', 'x'.repeat(64), 'ä ö', '.'])('makes a safe name of %j', name => {
  expect(cgroupFolderName(name)).toMatch(/^trireme-[A-Za-z0-9_-]{0,40}-[0-9a-f]{8}$/)
})

it('keeps unsafe names apart', () => {
  expect(cgroupFolderName('a/b')).not.toBe(cgroupFolderName('a b'))
})

it('makes context IDs that differ', () => {
  const ids = new Set(Array.from({ length: 1000 }, newContextID))
  expect(ids.size).toBe(1000)
  expect([...ids].every(isContextID)).toBe(true)
  expect(isContextID('../../etc/pw')).toBe(false)
})
