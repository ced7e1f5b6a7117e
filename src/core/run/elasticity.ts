/**
 * Does more inflight buy more throughput, or only more latency? The slope of latency over inflight, in logarithms, over
 * the last 50 windows.
 *
 * By Little's law throughput = inflight / latency, so one slope answers for both: 0 means that latency does not mind and
 * throughput grows in proportion, 1 that latency grows in proportion and throughput not at all, more than 1 that
 * throughput falls. These are the two correlations of failsafe-go's adaptive limiter, (inflight, throughput) and
 * (inflight, latency), as a regression: noise in the latency weakens a correlation, of a slope it only widens the error.
 *
 * The slope is that of the neighbourhood: windows with nearly twice or half of the present inflight say how it was there.
 *
 * @see https://github.com/failsafe-go/failsafe-go (adaptivelimiter)
 */

/** As many as failsafe-go and Uber's Cinnamon keep. */
const WINDOWS = 50

/** With fewer, any slope is chance. */
const FEWEST = 6

/** In logarithms: from 0.55 to 1.8 times the present inflight. */
const NEAR = 0.6

/** Inflight that varies by less than 1 % teaches nothing; a variance, in logarithms. */
const VARIED = 1e-4

/** How many standard errors make a slope certain. */
const CERTAIN = 2

export class Elasticity {
  // Rings of logarithms, overwritten from the oldest on.
  readonly #inflight = new Float64Array(WINDOWS)
  readonly #latency = new Float64Array(WINDOWS)
  #size = 0
  #next = 0

  /** Remembers one window. Both numbers are greater than 0. */
  add(inflight: number, latencyMs: number): void {
    this.#inflight[this.#next] = Math.log(inflight)
    this.#latency[this.#next] = Math.log(latencyMs)
    this.#next = (this.#next + 1) % WINDOWS
    if (this.#size < WINDOWS) this.#size++
  }

  /** The downstream is another one now. */
  forget(): void {
    this.#size = 0
    this.#next = 0
  }

  /** The slope around the last window is at least so much, beyond doubt; -Infinity while nothing is. */
  atLeast(): number {
    const last = this.#inflight[(this.#next + WINDOWS - 1) % WINDOWS] as number
    let count = 0
    let x = 0
    let y = 0
    for (let i = 0; i < this.#size; i++) {
      if (Math.abs((this.#inflight[i] as number) - last) > NEAR) continue
      count++
      x += this.#inflight[i] as number
      y += this.#latency[i] as number
    }
    if (count < FEWEST) return Number.NEGATIVE_INFINITY
    x /= count
    y /= count
    let xx = 0
    let yy = 0
    let xy = 0
    for (let i = 0; i < this.#size; i++) {
      if (Math.abs((this.#inflight[i] as number) - last) > NEAR) continue
      const dx = (this.#inflight[i] as number) - x
      const dy = (this.#latency[i] as number) - y
      xx += dx * dx
      yy += dy * dy
      xy += dx * dy
    }
    if (xx < VARIED * count) return Number.NEGATIVE_INFINITY
    const slope = xy / xx
    const error = Math.sqrt(Math.max(0, yy - slope * xy) / (count - 2) / xx)
    return slope - CERTAIN * error
  }
}
