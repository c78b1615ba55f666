/** What happened to a container, as far as it concerns a PU. */
export type ContainerAction =
  | 'create'
  | 'start'
  | 'die'
  | 'destroy'
  | 'pause'
  | 'unpause'
  | 'rename'
  | 'connect'
  | 'disconnect'

export interface ContainerEvent {
  /** 64 hexadecimal digits. */
  readonly containerID: string
  readonly action: ContainerAction
  /** Nanoseconds since 1970 by the engine's clock. */
  readonly timeNano: bigint
}

const CONTAINER_ACTIONS: readonly string[] = [
  'create',
  'start',
  'die',
  'destroy',
  'pause',
  'unpause',
  'rename',
]
const NETWORK_ACTIONS: readonly string[] = ['connect', 'disconnect']

/** Nanoseconds do not fit a double: they are read off the text. */
const TIME = /"timeNano"\s*:\s*(\d{1,19})\b/

/**
 * Reads one message of `GET /events`. Undefined where it concerns no PU.
 * @throws SyntaxError for what is no JSON.
 */
export function parseContainerEvent(line: string): ContainerEvent | undefined {
  const message: unknown = JSON.parse(line)
  if (typeof message !== 'object' || message === null) return undefined
  const { Type, Action, Actor, time } = message as Readonly<Record<string, unknown>>
  const { ID, Attributes } = (Actor ?? {}) as { ID?: unknown; Attributes?: { container?: unknown } }
  const isContainer = Type === 'container' && CONTAINER_ACTIONS.includes(String(Action))
  const isNetwork = Type === 'network' && NETWORK_ACTIONS.includes(String(Action))
  const containerID = isContainer ? ID : isNetwork ? Attributes?.container : undefined
  if (typeof containerID !== 'string' || containerID === '') return undefined
  // Before API 1.22 there were seconds alone.
  const timeNano = BigInt(TIME.exec(line)?.[1] ?? `${Number(time) || 0}000000000`)
  return { containerID, action: Action as ContainerAction, timeNano }
}
