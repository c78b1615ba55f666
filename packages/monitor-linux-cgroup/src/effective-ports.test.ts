import { expect, it } from 'vitest'
import { effectivePorts } from './effective-ports.js'

const declared = [{ first: 80, last: 81 }]
const one = (port: number) => ({ first: port, last: port })

it('closes what is found and not declared', () => {
  expect(effectivePorts({ declared, discover: false }, [80, 443])).toEqual({
    ports: [...declared, one(443)],
    closedPorts: [one(443)],
  })
})

it('opens what is found where that is asked for', () => {
  expect(effectivePorts({ declared: [], discover: true }, [80, 443])).toEqual({ ports: [one(80), one(443)] })
})

it('keeps what is declared, listened on or not', () => {
  expect(effectivePorts({ declared, discover: false }, [])).toEqual({ ports: declared })
  expect(effectivePorts({ declared, discover: false }, [81])).toEqual({ ports: declared })
})
