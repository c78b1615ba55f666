import type { PeerRecord } from './record-verifier.js'

/** What is kept at most. */
export interface VerifiedRecordsLimits {
  readonly records: number
  readonly bytes: number
  /** Of each of both, for one issuer. */
  readonly issuerShare: number
}

/** Two thousand PUs of one node; records of ordinary size reach the number before the bytes. */
const LIMITS: VerifiedRecordsLimits = { records: 16_384, bytes: 32 * 2 ** 20, issuerShare: 1 / 8 }
/** What a record costs beside its bytes, and each of its tags, as measured. */
const RECORD_BYTES = 512
const TAG_BYTES = 80

/**
 * Peers' records by the hash of their bytes, the eldest forgotten first. Bounded in number and in the memory that they take, in
 * all and for each issuer: a node that signs one record after another displaces its own alone.
 */
export class VerifiedRecords {
  readonly #limits: VerifiedRecordsLimits
  readonly #records = new Map<string, Kept>()
  readonly #issuers = new Map<string, Share>()
  #bytes = 0

  constructor(limits = LIMITS) {
    this.#limits = limits
  }

  get(key: string): PeerRecord | undefined {
    return this.#records.get(key)?.peer
  }

  set(key: string, peer: PeerRecord): void {
    this.#forget(key)
    const { issuer } = peer.claims
    const share = this.#issuers.get(issuer) ?? { keys: new Set(), bytes: 0 }
    const bytes = bytesOf(peer)
    this.#issuers.set(issuer, share)
    this.#records.set(key, { peer, bytes })
    share.keys.add(key)
    share.bytes += bytes
    this.#bytes += bytes
    this.#shrink(share)
  }

  clear(): void {
    this.#records.clear()
    this.#issuers.clear()
    this.#bytes = 0
  }

  get size(): number {
    return this.#records.size
  }

  #shrink(share: Share): void {
    const { records, bytes, issuerShare } = this.#limits
    while (share.keys.size > records * issuerShare || share.bytes > bytes * issuerShare)
      this.#forgetFirst(share.keys)
    while (this.#records.size > records || this.#bytes > bytes) this.#forgetFirst(this.#records)
  }

  #forgetFirst(of: { keys(): Iterator<string> }): void {
    const { value, done } = of.keys().next()
    if (!done) this.#forget(value)
  }

  #forget(key: string): void {
    const kept = this.#records.get(key)
    if (!kept) return
    const { issuer } = kept.peer.claims
    const share = this.#issuers.get(issuer)!
    this.#records.delete(key)
    this.#bytes -= kept.bytes
    share.keys.delete(key)
    share.bytes -= kept.bytes
    if (share.keys.size === 0) this.#issuers.delete(issuer)
  }
}

interface Kept {
  readonly peer: PeerRecord
  readonly bytes: number
}

/** What is kept of one issuer: hashes, the eldest first. */
interface Share {
  readonly keys: Set<string>
  bytes: number
}

function bytesOf({ bytes, claims: { tags, shortTags } }: PeerRecord): number {
  const hashes = shortTags ? shortTags.keys.size + shortTags.tags.size : 0
  return RECORD_BYTES + bytes.length + TAG_BYTES * (tags.length + hashes)
}
