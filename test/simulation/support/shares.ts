/**
 * Whose turn is it, when each tier has a share by weight? The formula of `weighted()` on plain numbers: a turn of a tier is a
 * stride after its last one, or after the last of all when it was idle.
 */
import type { Job } from './rules.ts'

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

  took(tier: number): void {
    this.#last[tier] = this.#turnOf(tier, this.#last)
    this.#now = Math.max(this.#now, this.#last[tier] as number)
  }

  /** Those who wait, in the order of their turns. */
  merged(line: readonly Job[]): Job[] {
    const last = [...this.#last]
    const tiers = [0, 1, 2, 3].map((tier) => line.filter((job) => job.tier === tier))
    return line.map(() => {
      const turnOf = (tier: number) => ((tiers[tier] as Job[]).length === 0 ? Infinity : this.#turnOf(tier, last))
      const next = [0, 1, 2, 3].reduce((best, tier) => (turnOf(tier) < turnOf(best) ? tier : best), 0)
      last[next] = turnOf(next)
      return (tiers[next] as Job[]).shift() as Job
    })
  }

  #turnOf(tier: number, last: readonly number[]): number {
    return (last[tier] as number) + (this.#strides[tier] as number)
  }
}
