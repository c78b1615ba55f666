import { describe, expect, it } from 'vitest'
import { pamHookScript } from './pam-hook-script.js'
import { withoutSessionHook, withSessionHook } from './pam-service-file.js'

const SERVICE = '#%PAM-1.0\nauth required pam_unix.so\nsession required pam_unix.so\n'

describe('a PAM service', () => {
  it('tells of its sessions, after all else, once', () => {
    const hooked = withSessionHook(SERVICE, '/lib/hook')
    expect(hooked).toBe(
      `${SERVICE}# trireme session: begin\nsession required pam_exec.so seteuid quiet /lib/hook\n# trireme session: end\n`,
    )
    expect(withSessionHook(hooked, '/lib/hook')).toBe(hooked)
  })

  it('is as it was afterwards', () => {
    expect(withoutSessionHook(withSessionHook(SERVICE, '/lib/hook'))).toBe(SERVICE)
    expect(withoutSessionHook(SERVICE)).toBe(SERVICE)
    expect(withSessionHook('session optional x.so', '/lib/hook')).toContain('x.so\n# trireme')
  })
})

it('the hook quotes what it is given', () => {
  const script = pamHookScript({ command: ["/opt/it's/node", '/main.js'], socket: '/run/$x.sock' })
  expect(script).toContain(`exec '/opt/it'\\''s/node' '/main.js' session "$word" --socket '/run/$x.sock'`)
})
