import { isUtf8 } from 'node:buffer'
import { constants, type FileHandle, open } from 'node:fs/promises'
import { MIN_PSK_BYTES, TriremeError } from '@trireme/core'

const NEWLINE = 0x0a

/**
 * The content of a file that holds a secret.
 * @param what its key path in the configuration, for errors: `auth.pki.key`.
 * @throws TriremeError `ERR_CONFIG`, which never shows the content, for a file that cannot be read, is no regular file, is owned by
 * another user than root or this process's, or may be read or written by others than its owner.
 */
export function readSecretFile(path: string, what: string): Promise<Buffer> {
  return readGuarded(
    { what, path },
    { forbidden: 0o077, expected: `a file for its owner alone: chmod 600 ${path}` },
  )
}

/**
 * The content of a file that says whom to trust: whoever may write it can be anybody.
 * @throws TriremeError `ERR_CONFIG` for a file that cannot be read, is no regular file, is owned by another user than root or this
 * process's, may be written by others than its owner, or is not UTF-8.
 */
export async function readTrustFile(path: string, what: string): Promise<string> {
  const expected = `a file that its owner alone may write: chmod go-w ${path}`
  const content = await readGuarded({ what, path }, { forbidden: 0o022, expected })
  if (isUtf8(content)) return content.toString()
  throw secretFileError({ what, path, found: 'other bytes', expected: 'a readable file in UTF-8' })
}

interface Guard {
  /** Bits of the mode. */
  readonly forbidden: number
  readonly expected: string
}

async function readGuarded({ what, path }: Named, guard: Guard): Promise<Buffer> {
  // Without O_NONBLOCK opening a named pipe would wait for a writer.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(cause => {
    const found = (cause as NodeJS.ErrnoException).code ?? 'unreadable'
    throw secretFileError({ what, path, found, expected: 'a readable file', cause })
  })
  try {
    await checkPermissions(file, { what, path }, guard)
    return await file.readFile()
  } finally {
    await file.close()
  }
}

/**
 * The pre-shared key in a file: its bytes less one trailing newline.
 * @throws TriremeError `ERR_CONFIG` as `readSecretFile` does, and for fewer than 16 bytes.
 */
export async function readPSK(path: string, what = 'auth.psk.file'): Promise<Uint8Array> {
  const bytes = await readSecretFile(path, what)
  const psk = bytes.at(-1) === NEWLINE ? bytes.subarray(0, -1) : bytes
  if (psk.length >= MIN_PSK_BYTES) return psk
  const expected = `at least ${MIN_PSK_BYTES}, not counting one newline at the end`
  throw secretFileError({ what, path, found: `${psk.length} bytes`, expected })
}

/** Whether a file's owner is root or the process's own user: any other owner could change the file at will. */
export function isTrustedOwner(owner: number, ownUID: number): boolean {
  return owner === 0 || owner === ownUID
}

async function checkPermissions(file: FileHandle, { what, path }: Named, guard: Guard): Promise<void> {
  const stat = await file.stat()
  if (!stat.isFile())
    throw secretFileError({ what, path, found: 'not a regular file', expected: 'a regular file' })
  if (!isTrustedOwner(stat.uid, process.geteuid?.() ?? 0)) {
    const expected = `a file of root's or of the daemon's user: chown root ${path}`
    throw secretFileError({ what, path, found: `owned by user ${stat.uid}`, expected })
  }
  const mode = stat.mode & 0o777
  if ((mode & guard.forbidden) === 0) return
  const found = `mode ${mode.toString(8).padStart(4, '0')}`
  throw secretFileError({ what, path, found, expected: guard.expected })
}

interface Named {
  readonly what: string
  readonly path: string
}

interface SecretFileFlaw extends Named {
  readonly found: string
  readonly expected: string
  readonly cause?: unknown
}

function secretFileError({ what, path, found, expected, cause }: SecretFileFlaw): TriremeError {
  return new TriremeError('ERR_CONFIG', `${what}: ${path}: ${found}, expected ${expected}`, { cause })
}
