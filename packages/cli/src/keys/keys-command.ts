import { Command, InvalidArgumentError } from 'commander'
import type { NewCAOptions } from './new-ca.js'
import type { NewNodeOptions } from './new-node.js'
import type { NewPSKOptions } from './new-psk.js'
import type { RotateOptions } from './rotate-keys.js'

const FORCE = ['--force', 'overwrite files that exist'] as const
const MAX_DAYS = 36_500

/** `trireme keys`: makes the secrets of nodes, shows what files hold, and has a daemon take others. Each action loads what it needs and no more. */
export function keysCommand(): Command {
  const keys = new Command('keys').description(
    'make the secrets of nodes, show what files hold, and rotate them',
  )
  addPSK(keys)
  addCA(keys)
  addNode(keys)
  addShow(keys)
  addRotate(keys)
  // Those who add this command say what happens on a wrong argument, but not for the commands below it.
  for (const command of keys.commands) command.exitOverride()
  return keys
}

function addPSK(keys: Command): void {
  keys
    .command('psk')
    .description('make a pre-shared key: whoever holds it can claim any identity')
    .option('--out <file>', 'where it goes (default: standard output)')
    .option(...FORCE)
    .action(async (options: NewPSKOptions) => {
      const { newPSK } = await import('./new-psk.js')
      process.stdout.write(await newPSK(options))
    })
}

function addCA(keys: Command): void {
  keys
    .command('ca')
    .description('make a certificate authority: ca.pem for all nodes, ca-key.pem for nobody')
    .requiredOption('--out <folder>', 'where its files go')
    .requiredOption('--name <name>', 'its name, for people')
    .option('--days <number>', 'how long it is good', parseDays, 3650)
    .option(...FORCE)
    .action(async (options: NewCAOptions) => {
      const { newCA } = await import('./new-ca.js')
      process.stdout.write(await newCA(options))
    })
}

function addNode(keys: Command): void {
  keys
    .command('node')
    .description('issue what a node proves its identities with: key.pem, cert.pem or statement.pem, ca.pem')
    .requiredOption('--ca <folder>', 'the folder that `trireme keys ca` filled')
    .requiredOption('--name <serverID>', "the node's server ID, as in its configuration")
    .requiredOption('--out <folder>', 'where its files go')
    .option('--compact', 'a statement, 111 bytes and the name, instead of an X.509 certificate')
    .option('--days <number>', 'how long it is good, at most as long as the CA', parseDays, 365)
    .option(...FORCE)
    .action(async (options: NewNodeOptions) => {
      const { newNode } = await import('./new-node.js')
      process.stdout.write(await newNode(options))
    })
}

function addShow(keys: Command): void {
  keys
    .command('show')
    .description(
      'show names, key IDs and validity of what a file or the files of a folder hold; never a secret',
    )
    .argument('<path>')
    .action(async (path: string) => {
      const { showKeys } = await import('./show-keys.js')
      process.stdout.write(await showKeys(path))
    })
}

function addRotate(keys: Command): void {
  keys
    .command('rotate')
    .description(
      'have the daemon read the secrets of its configuration again and use them, while connections come about',
    )
    .option('--socket <path>', 'control socket of the daemon (default: the only one in /run/trireme)')
    .action(async (options: RotateOptions) => {
      const { rotateKeys } = await import('./rotate-keys.js')
      process.stdout.write(await rotateKeys(options))
    })
}

function parseDays(text: string): number {
  const days = Number(text)
  if (/^\d+$/.test(text) && days >= 1 && days <= MAX_DAYS) return days
  throw new InvalidArgumentError(`Expected whole days from 1 to ${MAX_DAYS}.`)
}
