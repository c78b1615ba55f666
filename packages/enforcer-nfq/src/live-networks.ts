import { type CompiledNetworks, compileNetworks } from '@trireme/core'

/** Networks that are replaced as a whole while packets are decided by them. */
export class LiveNetworks implements CompiledNetworks {
  #networks: CompiledNetworks

  /** @throws TriremeError `ERR_CONFIG`. */
  constructor(networks: readonly string[]) {
    this.#networks = compileNetworks(networks)
  }

  /** @throws TriremeError `ERR_CONFIG`, and changes nothing. */
  replace(networks: readonly string[]): void {
    this.#networks = compileNetworks(networks)
  }

  contains(address: Uint8Array): boolean {
    return this.#networks.contains(address)
  }
}
