import type { ControlHandlers } from '../control/control-routes.js'

const notAsked = (): never => {
  throw new Error('not asked')
}

/** A daemon that is asked for nothing. */
export const noHandlers: ControlHandlers = {
  events: { handleRequest: notAsked },
  status: notAsked,
  flows: async function* () {},
  rotate: notAsked,
  reload: notAsked,
  uninstall: notAsked,
}
