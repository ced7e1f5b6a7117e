/**
 * How often may one ask? A bucket of tokens for each name, filled as time passes; full ones are forgotten.
 */

export interface Rate {
  readonly perSecond: number
  /** How many may come at once. */
  readonly burst: number
}

const MAX_BUCKETS = 10_000

export class Buckets {
  readonly rate: Rate
  readonly #buckets = new Map<string, { tokens: number; at: number }>()

  constructor(rate: Rate) {
    this.rate = rate
  }

  /** Takes a token, if there is one. What remains, and in how many ms the next one is there. */
  take(name: string): { readonly isGranted: boolean; readonly remaining: number; readonly nextMs: number } {
    const { perSecond, burst } = this.rate
    const now = performance.now()
    const { tokens, at } = this.#buckets.get(name) ?? { tokens: burst, at: now }
    const filled = Math.min(tokens + ((now - at) / 1_000) * perSecond, burst)
    const isGranted = filled >= 1
    const left = isGranted ? filled - 1 : filled
    this.#buckets.delete(name)
    // The longest not asked for is the fullest.
    for (const oldest of this.#buckets.keys()) {
      if (this.#buckets.size < MAX_BUCKETS) break
      this.#buckets.delete(oldest)
    }
    this.#buckets.set(name, { tokens: left, at: now })
    return { isGranted, remaining: Math.floor(left), nextMs: left >= 1 ? 0 : ((1 - left) / perSecond) * 1_000 }
  }
}
