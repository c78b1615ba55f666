import { type PublicKeyAdder, type Secrets, TriremeError } from '@trireme/core'

/** The adder as long as it is among the secrets in force; whoever adds to others is told that nobody would see it. */
export function adderInForce(
  adder: Secrets & PublicKeyAdder,
  inForce: () => readonly Secrets[],
): PublicKeyAdder {
  const current = (method: string): PublicKeyAdder => {
    if (inForce().includes(adder)) return adder
    throw new TriremeError(
      'ERR_SECRET',
      `${method}: updateSecrets has replaced these secrets; expected a call on those in force`,
    )
  }
  return {
    publicKeyAdd: (host, certPEM) => current('publicKeyAdd').publicKeyAdd(host, certPEM),
    publicKeyRemove: host => current('publicKeyRemove').publicKeyRemove(host),
  }
}
