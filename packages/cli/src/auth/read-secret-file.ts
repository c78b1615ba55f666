import { constants, type FileHandle, open } from 'node:fs/promises'
import { MIN_PSK_BYTES, TriremeError } from '@trireme/core'

const NEWLINE = 0x0a

/**
 * The content of a file that holds a secret.
 * @param what its key path in the configuration, for errors: `auth.pki.key`.
 * @throws TriremeError `ERR_CONFIG`, which never shows the content, for a file that cannot be read, is no regular file, or may be
 * read or written by others than its owner.
 */
export async function readSecretFile(path: string, what: string): Promise<Buffer> {
  // Without O_NONBLOCK opening a named pipe would wait for a writer.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(cause => {
    const found = (cause as NodeJS.ErrnoException).code ?? 'unreadable'
    throw secretFileError({ what, path, found, expected: 'a readable file', cause })
  })
  try {
    await checkPermissions(file, path, what)
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

async function checkPermissions(file: FileHandle, path: string, what: string): Promise<void> {
  const stat = await file.stat()
  if (!stat.isFile())
    throw secretFileError({ what, path, found: 'not a regular file', expected: 'a regular file' })
  const mode = stat.mode & 0o777
  if ((mode & 0o077) === 0) return
  const found = `mode ${mode.toString(8).padStart(4, '0')}`
  throw secretFileError({ what, path, found, expected: `a file for its owner alone: chmod 600 ${path}` })
}

interface SecretFileFlaw {
  readonly what: string
  readonly path: string
  readonly found: string
  readonly expected: string
  readonly cause?: unknown
}

function secretFileError({ what, path, found, expected, cause }: SecretFileFlaw): TriremeError {
  return new TriremeError('ERR_CONFIG', `${what}: ${path}: ${found}, expected ${expected}`, { cause })
}
