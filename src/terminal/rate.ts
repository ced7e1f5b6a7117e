/**
 * How many a second? A total that only grows, looked at now and then, as counts for each of the last 60 seconds.
 *
 * What came between two looks is spread evenly over the time between them: so looks may come at any pace, and late.
 */
const SECONDS = 60
/** A rate is the mean of so many seconds: steady enough to be read. */
const RECENT = 5

export class Rate {
  // A ring: the seconds that are over, and the one that runs.
  readonly #counts = new Float64Array(SECONDS + 1)
  #startedAt = Number.NaN
  #lookedAt = Number.NaN
  #total = 0
  /** The second that runs, counted from the start. */
  #second = 0

  /** @param at in ms; a time before the last one begins anew */
  look(at: number, total: number): void {
    if (at === this.#lookedAt) return
    if (at > this.#lookedAt) this.#spread((total - this.#total) / (at - this.#lookedAt), at)
    else {
      this.#counts.fill(0)
      this.#startedAt = at
      this.#second = 0
    }
    this.#lookedAt = at
    this.#total = total
  }

  /** The mean of the last five seconds that are over; undefined in the first. */
  get perSecond(): number | undefined {
    const recent = this.lastMinute.slice(-RECENT)
    return recent.length === 0 ? undefined : recent.reduce((sum, count) => sum + count, 0) / recent.length
  }

  /** For each second that is over how many came in it: up to 60, the latest last. */
  get lastMinute(): number[] {
    const length = Math.min(this.#second, SECONDS)
    return Array.from({ length }, (_, i) => this.#counts[(this.#second - length + i) % (SECONDS + 1)] as number)
  }

  /** Since the last look, `perMs` came in each ms; what is older than a minute is not kept. */
  #spread(perMs: number, to: number): void {
    const from = Math.max(this.#lookedAt, to - SECONDS * 1_000)
    const last = this.#secondOf(to)
    for (let second = this.#secondOf(from); second <= last; second++) {
      const index = second % (SECONDS + 1)
      if (second > this.#second) {
        this.#second = second
        this.#counts[index] = 0
      }
      const beginsAt = this.#startedAt + second * 1_000
      const overlapMs = Math.min(to, beginsAt + 1_000) - Math.max(from, beginsAt)
      this.#counts[index] = (this.#counts[index] as number) + perMs * overlapMs
    }
  }

  #secondOf(at: number): number {
    return Math.floor((at - this.#startedAt) / 1_000)
  }
}
