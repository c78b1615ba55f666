import { describe, expect, it } from 'vitest'
import { hasSessionHook, withoutSessionHook, withSessionHook } from './pam-service-file.js'

const SERVICE = '#%PAM-1.0\nauth required pam_unix.so\nsession required pam_unix.so\n'
const HOOK = {
  ...{ program: '/lib/hook', command: ['/usr/bin/node', '/opt/main.js'] as const, socket: '/run/t.sock' },
}
const LINE = 'session required pam_exec.so seteuid quiet /lib/hook /usr/bin/node /opt/main.js /run/t.sock'
const BLOCK = `# trireme session: begin\n${LINE}\n# trireme session: end\n`

const hooked = (text: string, included: Readonly<Record<string, string>> = {}, hook = HOOK) =>
  withSessionHook({ name: 'sshd', text }, hook, name => {
    const found = included[name]
    if (found === undefined) throw new Error(`no ${name}`)
    return found
  })

describe('a PAM service', () => {
  it('opens and closes its sessions by the hook before all else, once', () => {
    const once = hooked(SERVICE)
    expect(once).toBe(`#%PAM-1.0\n${BLOCK}auth required pam_unix.so\nsession required pam_unix.so\n`)
    expect(hooked(once)).toBe(once)
  })

  it('is as it was afterwards', () => {
    expect(withoutSessionHook(hooked(SERVICE))).toBe(SERVICE)
    expect(withoutSessionHook(SERVICE)).toBe(SERVICE)
    expect(hasSessionHook(hooked(SERVICE))).toBe(true)
    expect(hasSessionHook(SERVICE)).toBe(false)
    expect(hooked('session optional x.so')).toBe(`${BLOCK}session optional x.so\n`)
    expect(hooked('')).toBe(BLOCK)
  })

  it('gets the hook of this version in place of an earlier one at its end', () => {
    const earlier = `${SERVICE}# trireme session: begin\nsession required pam_exec.so seteuid quiet /lib/hook\n# trireme session: end\n`
    expect(hooked(earlier)).toBe(hooked(SERVICE))
  })

  it('moves sessions into their PU after systemd has moved them into their scope', () => {
    const text = '@include common-session\nsession required pam_env.so user_readenv=1\n'
    const included = { 'common-session': 'session required pam_unix.so\nsession optional pam_systemd.so\n' }
    expect(hooked(text, included)).toBe(
      `@include common-session\n${BLOCK}session required pam_env.so user_readenv=1\n`,
    )
    expect(() => hooked(text.split('\n').reverse().join('\n'), included)).toThrow(/user_readenv=1/)
  })

  it('takes paths with blanks and brackets', () => {
    expect(hooked('', {}, { ...HOOK, socket: '/run/a [b].sock' })).toContain(
      '/opt/main.js [/run/a [b\\].sock]\n',
    )
    for (const socket of ['run/x', '/run/#', '/run/\n', '/run/\\']) {
      expect(() => hooked('', {}, { ...HOOK, socket })).toThrow(/expected an absolute path/)
    }
  })
})

describe('the environment of a login user that would reach root’s hook', () => {
  const READ_BY_AUTH = 'auth required pam_env.so user_readenv=1'

  it.each([
    ['itself', `${READ_BY_AUTH}\n`, {}],
    [
      'in capitals, with a list for control',
      '-AUTH [success=ok default=bad] pam_env.so USER_READENV=1\n',
      {},
    ],
    ['by @include', '@include a\n', { a: '@include b\n', b: READ_BY_AUTH }],
    ['by include', 'auth include a\n', { a: READ_BY_AUTH }],
    ['by substack', 'auth substack a\n', { a: `account required x.so\n${READ_BY_AUTH}` }],
    ['over a continued line', 'auth required pam_env.so \\\n  readenv=1 \\ \n user_readenv=1\n', {}],
    ['in brackets', 'auth required pam_env.so [user_readenv=1]\n', {}],
    ['before systemd', 'session optional pam_env.so user_readenv=1\nsession optional pam_systemd.so\n', {}],
  ])('is refused: user_readenv %s', (_, text, included) => {
    expect(() => hooked(text, included)).toThrow(/PAM service sshd: .*user_readenv.*expected user_readenv=0/i)
  })

  it.each([
    ['off', 'auth required pam_env.so user_readenv=0\n', {}],
    ['in a comment', `# ${READ_BY_AUTH}\nauth required pam_unix.so # user_readenv=1\n`, {}],
    ['of another type of the included file', 'account include a\n', { a: READ_BY_AUTH }],
    ['after the hook', 'session required pam_env.so user_readenv=1\n', {}],
  ])('is taken: user_readenv %s', (_, text, included) => {
    expect(hooked(text, included)).toContain(LINE)
  })

  it('is no reason to follow includes for ever', () => {
    expect(() => hooked('@include a\n', { a: '@include a\n' })).toThrow(/16 includes/)
    expect(() => hooked('@include a\n@include a\n', { a: `${'auth required x.so\n'.repeat(3000)}` })).toThrow(
      /4096/,
    )
    expect(() => hooked('@include a\n')).toThrow('no a')
  })
})

describe('a module before the hook', () => {
  const after = (control: string) => `session ${control} x.so\nsession optional pam_systemd.so\n`

  it.each(['sufficient', '[success=done default=ignore]', '[default=2]'])(
    'may not pass over it: %s',
    control => {
      expect(() => hooked(after(control))).toThrow(/can pass over the hook/)
    },
  )

  it.each(['requisite', '[success=ok default=die]', '[default=1]'])('may do all else: %s', control => {
    expect(hooked(after(control))).toBe(`${after(control)}${BLOCK}`)
  })
})
