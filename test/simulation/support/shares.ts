/**
 * Whose turn is it, when each tier has a share by weight? The formula of `weighted()` on plain numbers: a turn of a tier is a
 * stride after its last one, or after the last of all when it was idle.
 */
export class Shares {
  readonly #strides: readonly number[]
  readonly #last = [0, 0, 0, 0]
  #now = 0

  constructor(weights: readonly number[]) {
    this.#strides = weights.map((weight) => Math.max(...weights) / weight)
  }

  /** One comes to a tier where nobody waits. */
  came(tier: number): void {
    this.#last[tier] = this.#now
  }

  /** The same, if one came to a tier where nobody waits. */
  with(tier: number): Shares {
    const shares = new Shares(this.#strides.map((stride) => 1 / stride))
    Object.assign(shares.#last, this.#last)
    shares.#now = this.#now
    shares.came(tier)
    return shares
  }

  /** @param waiting the tiers in which somebody waits: whoever has a slot of its own may start before their turns */
  took(tier: number, waiting: readonly number[]): void {
    const first = Math.min(...[tier, ...waiting].map((each) => this.#turnOf(each, this.#last)))
    this.#last[tier] = this.#turnOf(tier, this.#last)
    this.#now = Math.max(this.#now, first)
  }

  /** Those who wait, in the order of their turns. */
  merged<W extends { readonly tier: number }>(line: readonly W[]): W[] {
    const last = [...this.#last]
    const tiers = [0, 1, 2, 3].map((tier) => line.filter((job) => job.tier === tier))
    return line.map(() => {
      const turnOf = (tier: number) => ((tiers[tier] as W[]).length === 0 ? Infinity : this.#turnOf(tier, last))
      const next = [0, 1, 2, 3].reduce((best, tier) => (turnOf(tier) < turnOf(best) ? tier : best), 0)
      last[next] = turnOf(next)
      return (tiers[next] as W[]).shift() as W
    })
  }

  #turnOf(tier: number, last: readonly number[]): number {
    return (last[tier] as number) + (this.#strides[tier] as number)
  }
}
