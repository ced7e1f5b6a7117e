/**
 * Several histograms as one: those of the shards, wherever they are.
 */
import type { HistogramReading } from '../core/watch/histogram.ts'

/** The upper edges of the buckets of `core/watch/histogram.ts`, in ms. */
const edges: readonly number[] = Array.from({ length: 56 * 16 }, (_, bucket) => {
  const index = bucket + 1
  return 2 ** (-20 + (index >> 4)) * (1 + (index & 15) / 16)
})

/** What is sent of one. */
export interface SentHistogram {
  readonly count: number
  readonly sumMs: number
  readonly maxMs: number
  /** How many were at most as long as each edge. */
  readonly atMost: Float64Array
}

/** As it can be sent. */
export function sent(reading: HistogramReading): SentHistogram {
  const { count, sumMs, maxMs } = reading
  return { count, sumMs, maxMs, atMost: Float64Array.from(reading.countsAtMost(edges)) }
}

export class SummedHistogram implements HistogramReading {
  count = 0
  sumMs = 0
  maxMs = 0
  readonly #atMost = new Float64Array(edges.length)

  constructor(readings: Iterable<HistogramReading | undefined> = []) {
    for (const reading of readings) if (reading !== undefined) this.add(reading)
  }

  add(reading: HistogramReading): void {
    if (reading.count > 0) this.addSent(sent(reading))
  }

  addSent({ count, sumMs, maxMs, atMost }: SentHistogram): void {
    this.count += count
    this.sumMs += sumMs
    this.maxMs = Math.max(this.maxMs, maxMs)
    for (let i = 0; i < atMost.length; i++) this.#atMost[i] = (this.#atMost[i] as number) + (atMost[i] as number)
  }

  countsAtMost(boundsMs: readonly number[]): number[] {
    let edge = 0
    return boundsMs.map((ms) => {
      while (edge < edges.length && (edges[edge] as number) <= ms) edge++
      if (ms >= this.maxMs) return this.count
      return edge === 0 ? 0 : (this.#atMost[edge - 1] as number)
    })
  }

  quantile(q: number): number {
    if (this.count === 0) return 0
    const wanted = Math.max(Math.ceil(q * this.count), 1)
    const edge = this.#atMost.findIndex((count) => count >= wanted)
    if (edge < 0) return this.maxMs
    return edge === 0 ? 0 : Math.min(edges[edge] as number, this.maxMs)
  }
}
