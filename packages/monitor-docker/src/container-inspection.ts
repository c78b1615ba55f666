import { TriremeError } from '@trireme/core'

/** A port of the host that leads to one of the container, as the engine has it. Empty texts: any address, any port. */
export interface PortBinding {
  readonly HostIp: string
  readonly HostPort: string
}

/** By the container's port and protocol, `80/tcp`. */
export type PortBindings = Readonly<Record<string, readonly PortBinding[] | null>>

/**
 * What the engine knows of a container: its answer to `GET /containers/ID/json`, of which the parts named here were checked
 * and the rest is as it came.
 */
export interface ContainerInspection {
  /** 64 hexadecimal digits. */
  readonly Id: string
  /** With a leading slash. */
  readonly Name: string
  readonly State: {
    readonly Running: boolean
    readonly Paused: boolean
    /** In the PID namespace of the engine; 0 where nothing runs. */
    readonly Pid: number
  }
  readonly Config: {
    readonly Image: string
    readonly Labels: Readonly<Record<string, string>>
    /** Keys are `80/tcp`. */
    readonly ExposedPorts: Readonly<Record<string, unknown>>
  }
  readonly HostConfig: {
    /** `default`, `bridge`, `host`, `none`, `container:ID` or a network's name. */
    readonly NetworkMode: string
    readonly PortBindings: PortBindings
  }
  readonly NetworkSettings: {
    /** What is published in fact, once the container runs. */
    readonly Ports: PortBindings
    readonly Networks: Readonly<
      Record<string, { readonly IPAddress: string; readonly GlobalIPv6Address: string }>
    >
  }
  readonly [fact: string]: unknown
}

type Plain = Readonly<Record<string, unknown>>

const CONTAINER_ID = /^[0-9a-f]{12,64}$/

/**
 * An answer of the engine, checked. What may be missing is there and empty.
 * @throws TriremeError `ERR_CONFIG` naming the part that is not as expected: whatever answered is no Docker Engine.
 */
export function parseInspection(answer: unknown): ContainerInspection {
  const container = plain(answer, 'answer')
  const { Id, Name, State, Config, HostConfig, NetworkSettings } = container
  const id = text(Id, 'Id')
  if (!CONTAINER_ID.test(id)) throw unexpected('Id', id, '64 hexadecimal digits')
  return {
    ...container,
    Id: id,
    Name: text(Name, 'Name'),
    State: parseState(plain(State, 'State')),
    Config: parseConfig(plain(Config, 'Config')),
    HostConfig: parseHostConfig(plain(HostConfig, 'HostConfig')),
    NetworkSettings: parseNetworkSettings(plain(NetworkSettings ?? {}, 'NetworkSettings')),
  }
}

function parseState(state: Plain): ContainerInspection['State'] {
  const { Running, Paused, Pid = 0 } = state
  return { ...state, Running: Running === true, Paused: Paused === true, Pid: pid(Pid) }
}

function parseConfig(config: Plain): ContainerInspection['Config'] {
  const { Image, Labels, ExposedPorts } = config
  return {
    ...config,
    Image: text(Image ?? '', 'Config.Image'),
    Labels: labels(Labels ?? {}),
    ExposedPorts: plain(ExposedPorts ?? {}, 'Config.ExposedPorts'),
  }
}

function parseHostConfig(config: Plain): ContainerInspection['HostConfig'] {
  const { NetworkMode, PortBindings } = config
  return {
    ...config,
    NetworkMode: text(NetworkMode ?? '', 'HostConfig.NetworkMode'),
    PortBindings: portBindings(PortBindings, 'HostConfig.PortBindings'),
  }
}

function parseNetworkSettings(settings: Plain): ContainerInspection['NetworkSettings'] {
  const { Ports, Networks } = settings
  const networks = Object.entries(plain(Networks ?? {}, 'NetworkSettings.Networks'))
  return {
    ...settings,
    Ports: portBindings(Ports, 'NetworkSettings.Ports'),
    Networks: Object.fromEntries(
      networks.map(([name, network]) => {
        const { IPAddress, GlobalIPv6Address } = plain(network ?? {}, `NetworkSettings.Networks.${name}`)
        return [
          name,
          {
            IPAddress: text(IPAddress ?? '', 'IPAddress'),
            GlobalIPv6Address: text(GlobalIPv6Address ?? '', 'GlobalIPv6Address'),
          },
        ]
      }),
    ),
  }
}

function plain(value: unknown, name: string): Plain {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Plain
  throw unexpected(name, value, 'an object')
}

function text(value: unknown, name: string): string {
  if (typeof value === 'string') return value
  throw unexpected(name, value, 'a text')
}

function pid(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw unexpected('State.Pid', value, 'a process ID')
}

function labels(value: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(plain(value, 'Config.Labels'))
  return Object.fromEntries(entries.map(([key, each]) => [key, text(each, `Config.Labels.${key}`)]))
}

function portBindings(value: unknown, name: string): PortBindings {
  const entries = Object.entries(plain(value ?? {}, name))
  return Object.fromEntries(
    entries.map(([port, bindings]) => {
      if (bindings !== null && !Array.isArray(bindings))
        throw unexpected(`${name}.${port}`, bindings, 'a list')
      const each = (bindings ?? []).map((binding: unknown) => {
        const { HostIp = '', HostPort = '' } = plain(binding, `${name}.${port}`)
        return { HostIp: text(HostIp, 'HostIp'), HostPort: text(HostPort, 'HostPort') }
      })
      return [port, each]
    }),
  )
}

function unexpected(name: string, value: unknown, expected: string): TriremeError {
  const shown = JSON.stringify(value)?.slice(0, 80)
  return new TriremeError('ERR_CONFIG', `container's ${name} ${shown}: expected ${expected}`)
}
