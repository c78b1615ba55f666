import type { PURuntime, Tag, Tags } from '@trireme/core'

/** Which labels are part of an identity. In a pattern `*` stands for any text. */
export interface LabelFilter {
  /** Patterns of labels. Default: all that `exclude` leaves. */
  readonly include?: readonly string[]
  /** Patterns of labels that stay out. Default `DEFAULT_EXCLUDED_LABELS`, with `include` none. */
  readonly exclude?: readonly string[]
}

/** What builders, proxies, updaters and dashboards write for themselves: it says nothing of who a container is. */
export const DEFAULT_EXCLUDED_LABELS: readonly string[] = [
  ...['com.docker.compose.*', 'com.docker.desktop.*', 'desktop.docker.io/*', 'com.docker.extension.*'],
  ...[
    'org.opencontainers.image.*',
    'org.label-schema.*',
    'maintainer',
    'build_version',
    'vcs-*',
    'io.buildah.version',
  ],
  ...[
    'traefik.*',
    'caddy',
    'caddy.*',
    'caddy_*',
    'com.github.nginx-proxy.*',
    'com.github.jrcs.letsencrypt_nginx_proxy_companion.*',
  ],
  ...[
    'homepage.*',
    'homer.*',
    'flame.*',
    'glance.*',
    'dashy.*',
    'sh.dockpeek.*',
    'net.unraid.docker.*',
    'io.portainer.*',
  ],
  ...[
    'com.centurylinklabs.watchtower.*',
    'diun.*',
    'wud.*',
    'ofelia.*',
    'autoheal',
    'autoheal.*',
    'backup.*',
  ],
  ...[
    'prometheus.*',
    'com.datadoghq.*',
    'co.elastic.*',
    'logging',
    'logging.*',
    'dozzle.*',
    'kuma.*',
    'autokuma.*',
  ],
]

/** More labels than these are no part of an identity by themselves: in the binary encoding as many tags fit a record in every mode. */
const MOST_LABELS = 32

/** The labels of a container, as tags. */
export interface SortedLabels {
  readonly tags: Tags
  /** Those that are part of the identity only if a rule names their key: `label:KEY`, for the resolver. */
  readonly options: NonNullable<PURuntime['options']>
  /** How many of the latter the filter would have let through. */
  readonly surplus: number
}

/** Sorts labels by the filter. Where more than 32 pass it, the shortest stay, and of equal length those that come first. */
export function sortLabels(labels: Tags, filter: LabelFilter): SortedLabels {
  const { include = ['*'], exclude = filter.include === undefined ? DEFAULT_EXCLUDED_LABELS : [] } = filter
  const [isIncluded, isExcluded] = [matcher(include), matcher(exclude)]
  const passing = labels.filter(({ key }) => isIncluded(key) && !isExcluded(key))
  const kept = new Set([...passing].sort((a, b) => lengthOf(a) - lengthOf(b)).slice(0, MOST_LABELS))
  const others = labels.filter(label => !kept.has(label))
  return {
    tags: passing.filter(label => kept.has(label)),
    options: Object.fromEntries(others.map(({ key, value }) => [`label:${key}`, value])),
    surplus: passing.length - kept.size,
  }
}

function lengthOf({ key, value }: Tag): number {
  return Buffer.byteLength(key) + Buffer.byteLength(value)
}

function matcher(patterns: readonly string[]): (label: string) => boolean {
  const literals = patterns.map(pattern =>
    pattern
      .split('*')
      .map(text => text.replace(/[^\w]/g, '\\$&'))
      .join('.*'),
  )
  const expression = new RegExp(`^(?:${literals.join('|')})$`, 's')
  return label => patterns.length > 0 && expression.test(label)
}
