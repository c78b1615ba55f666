/** What went wrong while the rest went on. */
export interface DockerMonitorProblem {
  /**
   * `label-refused`: a label did not become a tag.
   * `not-enforced`: a container was refused, and stopped or cut off. `cut-off`: it runs on without network.
   * `not-refreshed`: its new facts are not in force, the old ones are.
   * `not-stopped`: something of an ended PU remains until its `destroy`.
   * `not-killed`: a container that must not run runs.
   * `engine-awaited`: it does not answer yet, with `waitForEngine`; containers of the start gate are enforced meanwhile.
   * `engine-lost`: no connection; what is enforced stays so. `engine-back`: it is there, or there again; `error` is undefined.
   * `event-unreadable`: the engine sent what is no event.
   */
  readonly kind:
    | 'label-refused'
    | 'not-enforced'
    | 'cut-off'
    | 'not-refreshed'
    | 'not-stopped'
    | 'not-killed'
    | 'engine-awaited'
    | 'engine-lost'
    | 'engine-back'
    | 'event-unreadable'
  /** The PU, where it concerns one. */
  readonly contextID?: string
  readonly error: unknown
}
