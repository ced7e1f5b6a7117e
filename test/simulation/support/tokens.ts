/**
 * How many tokens has each key? The formula of `tokenBucket({ over: 'wait' })` on plain numbers: a bucket of `burst`, which gains
 * `perSecond` of them a second; each start takes one.
 */
export class TokensByKey {
  readonly #perMs: number
  readonly #burst: number
  readonly #buckets = new Map<number, { tokens: number; at: number }>()

  constructor({ perSecond, burst }: { readonly perSecond: number; readonly burst: number }) {
    this.#perMs = perSecond / 1_000
    this.#burst = burst
  }

  at(key: number, now: number): number {
    const bucket = this.#buckets.get(key) ?? { tokens: this.#burst, at: now }
    // But for an error of rounding.
    return Math.min(bucket.tokens + (now - bucket.at) * this.#perMs, this.#burst) + 1e-9
  }

  take(key: number, now: number): void {
    this.#buckets.set(key, { tokens: this.at(key, now) - 1e-9 - 1, at: now })
  }

  /** When there will be so many. */
  dueAt(key: number, now: number, tokens: number): number {
    const missing = tokens - this.at(key, now)
    // Timers count in whole ms.
    return missing <= 0 ? now : now + Math.ceil(missing / this.#perMs)
  }
}
