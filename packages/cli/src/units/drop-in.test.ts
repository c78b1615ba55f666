import { describe, expect, it } from 'vitest'
import { assertServiceName, dropInText } from './drop-in.js'

const PROTECTION = {
  ...{ unit: 'nginx.service', command: ['/usr/bin/node', '/opt/trireme/main.js'], socket: '/run/t.sock' },
  ...{ labels: ['app=web'], ports: ['80', '8000-8100'], aliases: ['203.0.113.7:80'], networkOnly: false },
}

describe('dropInText', () => {
  it('makes the rule anew before every start, as root', () => {
    expect(
      dropInText(PROTECTION),
    ).toBe(`# Written by \`trireme protect nginx.service\`, removed by \`trireme unprotect nginx.service\`.
[Service]
ExecStartPre=+"/usr/bin/node" "/opt/trireme/main.js" "unit-start" "--socket" "/run/t.sock" "--name" "nginx.service" "--label" "app=web" "--port" "80" "--port" "8000-8100" "--alias" "203.0.113.7:80"
`)
  })

  it('keeps what systemd would read for itself', () => {
    const text = dropInText({ ...PROTECTION, labels: ['motto=50% of "$HOME" \\ more'], networkOnly: true })
    expect(text).toContain('"motto=50%% of \\"$$HOME\\" \\\\ more"')
    expect(text).toContain('"--network-only"')
  })

  it('takes no line of its own from a label', () => {
    expect(() => dropInText({ ...PROTECTION, labels: ['a=b\nExecStartPre=/bin/sh'] })).toThrow(/control/)
  })
})

describe('assertServiceName', () => {
  it.each(['nginx.service', 'getty@tty1.service', 'a\\x2db.service'])('takes %s', assertServiceName)

  it.each([
    'nginx',
    '../x.service',
    'a/b.service',
    'nginx.socket',
    '.service',
    '-a.service',
    `${'x'.repeat(255)}.service`,
  ])('refuses %s', unit => expect(() => assertServiceName(unit)).toThrow(/expected a service/))
})
