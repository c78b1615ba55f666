/** `out`: leaving an application. `in`: arriving from the network. */
export type Direction = 'in' | 'out'

export const DIRECTIONS: readonly Direction[] = ['in', 'out']
