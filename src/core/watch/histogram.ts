/**
 * How are the durations spread? A log-linear histogram in a typed array. Step 7 of 7.
 *
 * 16 buckets for each power of two: a quantile is at most 1/16 (6 %) too high, over 17 orders of magnitude, in 6 kB.
 * The bucket is read straight off the bits of the number: its exponent and the first four bits of its fraction.
 *
 * @see http://hdrhistogram.org (the same idea)
 */

const SUB_BITS = 4
// From 2^-20 ms (1 ns) to 2^36 ms (two years); what lies outside counts as the first or the last bucket.
const MIN_EXPONENT = -20
const MAX_EXPONENT = 36
const BUCKETS = (MAX_EXPONENT - MIN_EXPONENT) << SUB_BITS
const SUM = BUCKETS
const MAX = BUCKETS + 1
const COUNT = BUCKETS + 2
const BASE = (MIN_EXPONENT + 1023) << SUB_BITS

const float = new Float64Array(1)
const words = new Uint32Array(float.buffer)
// The word with sign, exponent and the top of the fraction; the other one on a big-endian machine.
const HIGH = new Uint8Array(new Uint16Array([1]).buffer)[0] as number

/** The upper edge of a bucket, in ms. */
function upperEdge(bucket: number): number {
  const index = bucket + 1
  return 2 ** (MIN_EXPONENT + (index >> SUB_BITS)) * (1 + (index & 15) / 16)
}

/** A histogram to be read, at once: it goes on counting. */
export interface HistogramReading {
  readonly count: number
  readonly sumMs: number
  readonly maxMs: number
  /** The duration that a share `q` of the observations does not exceed (within 6 %); 0 when there are none. */
  quantile(q: number): number
  /** For each bound, in ms and ascending: how many took at most so long. Those up to 6 % below it may be missing. */
  countsAtMost(boundsMs: readonly number[]): number[]
}

export class Histogram implements HistogramReading {
  // The counts of the buckets, then the sum, the maximum and the count: a number in a field of its own would be boxed.
  readonly #values = new Float64Array(BUCKETS + 3)

  observe(ms: number): void {
    const values = this.#values
    float[0] = ms
    let bucket = ((words[HIGH] as number) >>> (20 - SUB_BITS)) - BASE
    if (bucket < 0 || !(ms > 0)) bucket = 0
    else if (bucket >= BUCKETS) bucket = BUCKETS - 1
    values[bucket] = (values[bucket] as number) + 1
    values[SUM] = (values[SUM] as number) + ms
    values[COUNT] = (values[COUNT] as number) + 1
    if (ms > (values[MAX] as number)) values[MAX] = ms
  }

  get count(): number {
    return this.#values[COUNT] as number
  }

  get sumMs(): number {
    return this.#values[SUM] as number
  }

  get maxMs(): number {
    return this.#values[MAX] as number
  }

  /** Adds another's observations to this one's. */
  merge(other: Histogram): void {
    const max = Math.max(this.maxMs, other.maxMs)
    for (let i = 0; i < BUCKETS + 3; i++) this.#values[i] = (this.#values[i] as number) + (other.#values[i] as number)
    this.#values[MAX] = max
  }

  countsAtMost(boundsMs: readonly number[]): number[] {
    let bucket = 0
    let count = 0
    return boundsMs.map((ms) => {
      for (; bucket < BUCKETS && upperEdge(bucket) <= ms; bucket++) count += this.#values[bucket] as number
      return ms >= this.maxMs ? this.count : count
    })
  }

  quantile(q: number): number {
    const { count } = this
    if (count === 0) return 0
    const wanted = Math.max(Math.ceil(q * count), 1)
    let seen = 0
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#values[bucket] as number
      if (seen >= wanted) return bucket === 0 ? 0 : Math.min(upperEdge(bucket), this.maxMs)
    }
    return this.maxMs
  }
}
