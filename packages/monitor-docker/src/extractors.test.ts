import { KernelError } from '@trireme/core'
import { describe, expect, it } from 'vitest'
import { commandExtractor } from './command-extractor.js'
import { type ContainerInspection, parseInspection } from './container-inspection.js'
import type { ContainerExtractor, RefusedLabel } from './container-pu.js'
import { exposedPorts } from './exposed-ports.js'
import { kubernetesExtractor } from './kubernetes-extractor.js'
import { labelExtractor } from './label-extractor.js'
import { publishedAddresses } from './published-addresses.js'
import { swarmExtractor } from './swarm-extractor.js'

const ID = 'a'.repeat(64)

function container(labels: Record<string, string>, more: object = {}): ContainerInspection {
  return parseInspection({
    Id: ID,
    Name: '/shop',
    State: { Running: true, Pid: 7 },
    Config: { Image: 'nginx:1', Labels: labels },
    HostConfig: { NetworkMode: 'bridge' },
    ...more,
  })
}

async function extract(extractor: ContainerExtractor, inspection: ContainerInspection) {
  const refused: RefusedLabel[] = []
  const pu = await extractor(inspection, { onRefusedLabel: each => refused.push(each) })
  const tags = pu?.tags.map(({ key, value }) => `${key}=${value}`)
  return { name: pu?.name, tags, own: tags?.filter(tag => !tag.startsWith('@sys:')), refused }
}

describe('labelExtractor', () => {
  it('takes labels as they are, and adds what the engine vouches for', async () => {
    const { name, tags } = await extract(labelExtractor(), container({ app: 'web', note: 'a=b', none: '' }))
    expect(name).toBe('shop')
    expect(tags).toEqual([
      ...['app=web', 'note=a=b', 'none='],
      ...['@sys:image=nginx:1', '@sys:name=shop', `@sys:container=${ID}`, '@sys:network=bridge'],
    ])
  })

  it('refuses labels that cannot be tags', async () => {
    const forged = { '@sys:image': 'x', $id: 'x', 'a=b': 'x', '': 'x', ok: 'y' }
    const { own, refused } = await extract(labelExtractor(), container(forged))
    expect(own).toEqual(['ok=y'])
    expect(refused.map(({ label }) => label)).toEqual(['@sys:image', '$id', 'a=b', ''])
  })

  it('puts a prefix before every label if told to', async () => {
    const { own } = await extract(labelExtractor({ prefix: '@usr:' }), container({ app: 'web' }))
    expect(own).toEqual(['@usr:app=web'])
  })
})

describe('swarmExtractor', () => {
  const swarm = (label: string) => `com.docker.swarm.${label}`

  it('makes one identity of all tasks of a service', async () => {
    const labels = {
      app: 'web',
      [swarm('service.name')]: 'shop',
      [swarm('task.id')]: 't1',
      [swarm('node.id')]: 'n1',
    }
    const { own } = await extract(swarmExtractor(), container(labels))
    expect(own).toEqual(['app=web', `${swarm('service.name')}=shop`])
  })

  it('takes other containers by their labels', async () => {
    expect((await extract(swarmExtractor(), container({ app: 'web' }))).own).toEqual(['app=web'])
  })
})

describe('kubernetesExtractor', () => {
  const pod = {
    'io.kubernetes.pod.name': 'web-1',
    'io.kubernetes.pod.namespace': 'shop',
    'io.kubernetes.pod.uid': 'u',
  }

  it('makes a pod of its infra container', async () => {
    const labels = { ...pod, app: 'web', 'annotation.x': 'y', 'io.kubernetes.container.name': 'POD' }
    const { name, own } = await extract(kubernetesExtractor(), container(labels))
    expect(name).toBe('shop/web-1')
    expect(own).toEqual(['io.kubernetes.pod.name=web-1', 'io.kubernetes.pod.namespace=shop', 'app=web'])
  })

  it('makes no PU of the other containers of a pod', async () => {
    const labels = { ...pod, 'io.kubernetes.container.name': 'nginx' }
    const joined = { HostConfig: { NetworkMode: `container:${ID}` } }
    expect((await extract(kubernetesExtractor(), container(labels, joined))).tags).toBeUndefined()
  })

  it('frees no container whose image bears a pod’s labels', async () => {
    const { own } = await extract(kubernetesExtractor(), container({ app: 'web', ...pod }))
    expect(own).toContain('app=web')
  })

  it('takes containers without a pod by their labels', async () => {
    expect((await extract(kubernetesExtractor(), container({ app: 'web' }))).own).toEqual(['app=web'])
  })
})

describe('commandExtractor', () => {
  const sh = (script: string, timeoutMs = 5000) =>
    commandExtractor({ command: ['sh', '-c', script], timeoutMs })

  it.each([
    ['an object', '{"name":"n","tags":{"app":"web","x":"a=b"}}'],
    ['texts', '{"name":"n","tags":["app=web","x=a=b"]}'],
    ['pairs', '{"name":"n","tags":[{"key":"app","value":"web"},{"key":"x","value":"a=b"}]}'],
    ['the Go library’s form', '{"Name":"n","Tags":{"Tags":["app=web","x=a=b"]}}'],
  ])('reads tags as %s', async (_, answer) => {
    const { name, tags } = await extract(sh(`cat >/dev/null; echo '${answer}'`), container({}))
    expect({ name, tags }).toEqual({ name: 'n', tags: ['app=web', 'x=a=b'] })
  })

  it('does not wait for what a program that has ended leaves behind', async () => {
    const leaving = sh('cat >/dev/null; setsid sleep 5 & echo "{}"', 300)
    await expect(extract(leaving, container({}))).rejects.toThrow('no answer within 300 ms')
  })

  it('gives the program the inspection', async () => {
    const extractor = commandExtractor({
      command: [
        process.execPath,
        '-e',
        'const c = JSON.parse(require("fs").readFileSync(0)); console.log(JSON.stringify({ tags: c.Config.Labels }))',
      ],
    })
    expect(await extract(extractor, container({ app: 'web' }))).toMatchObject({
      name: 'shop',
      tags: ['app=web'],
    })
  })

  it('takes null for no PU', async () => {
    expect((await extract(sh('echo null'), container({}))).tags).toBeUndefined()
  })

  it.each([
    ['exit 3', 'echo broken >&2; exit 3', /exit 3.*broken/],
    ['no JSON', 'echo hello', /expected JSON/],
    ['no tags', 'echo "{}"', /expected tags/],
    ['a number', 'echo 7', /expected an object/],
    ['bad tags', 'echo \'{"tags":[7]}\'', /expected tags/],
    ['a tag without key', 'echo \'{"tags":["=x"]}\'', /non-empty key/],
  ])('fails on %s', async (_, script, message) => {
    await expect(extract(sh(script), container({}))).rejects.toThrow(message)
  })

  it('does not wait for a program for ever, nor for what it has started', async () => {
    const failed = extract(sh('sleep 60 | sleep 60', 100), container({}))
    await expect(failed).rejects.toThrow(KernelError)
    await expect(failed).rejects.toThrow('within 100 ms')
  })

  it('names a program that is not there', async () => {
    const extractor = commandExtractor({ command: ['/no/such/program'] })
    await expect(extract(extractor, container({}))).rejects.toThrow('ENOENT')
  })
})

describe('publishedAddresses', () => {
  it('names every address under which a TCP port is published', () => {
    const inspection = container(
      {},
      {
        HostConfig: {
          NetworkMode: 'bridge',
          PortBindings: {
            '80/tcp': [{ HostIp: '', HostPort: '8080' }],
            '53/udp': [{ HostIp: '', HostPort: '53' }],
          },
        },
        NetworkSettings: { Ports: { '81/tcp': [{ HostIp: '192.0.2.1', HostPort: '8081' }], '82/tcp': null } },
      },
    )
    expect(publishedAddresses(inspection)).toEqual(['0.0.0.0:8080', '192.0.2.1:8081', '[::]:8080'])
  })
})

describe('exposedPorts', () => {
  it('lists TCP ports in order', () => {
    const ExposedPorts = { '443/tcp': {}, '80/tcp': {}, '53/udp': {}, '9000-9001/tcp': {} }
    expect(exposedPorts(container({}, { Config: { Image: '', ExposedPorts } }))).toEqual([
      { first: 80, last: 80 },
      { first: 443, last: 443 },
      { first: 9000, last: 9001 },
    ])
  })
})
