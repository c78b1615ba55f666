const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** How a container is held back. */
export interface RuntimeGate {
  /** The Node that runs the programs. */
  readonly node: string
  /** Where the programs lie. */
  readonly folder: string
  readonly socket: string
  readonly timeoutMs: number
}

/** A shell script that is the OCI runtime `runtime`, but for a hook in each container that it creates, where there is a gate. */
export function runtimeScript(runtime: string, gate?: RuntimeGate): string {
  return `#!/bin/sh
# Made by trireme-docker-runtime. The engine needs it as long as there are containers that were made with it.
${gate === undefined ? '' : hookPart(gate)}exec ${quoted(runtime)} "$@"
`
}

function hookPart({ node, folder, socket, timeoutMs }: RuntimeGate): string {
  const clean = `/usr/bin/env -i PATH=${quoted(SYSTEM_PATH)}`
  const addHook = [node, `${folder}/add-hook.mjs`, socket, String(timeoutMs)].map(quoted).join(' ')
  return `for argument; do
  case $argument in
    create | run | restore)
      ${clean} ${addHook} "$@" || exit 1
      break
      ;;
  esac
done
`
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}
