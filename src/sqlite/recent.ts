/**
 * The last of some numbers, and their percentiles.
 */
const SIZE = 1_024

export class Recent {
  readonly #values = new Float64Array(SIZE)
  #count = 0

  add(value: number): void {
    this.#values[this.#count++ % SIZE] = value
  }

  /** Undefined: there are none yet. */
  read(): { readonly p50: number; readonly p99: number } | undefined {
    if (this.#count === 0) return undefined
    const sorted = this.#values.slice(0, Math.min(this.#count, SIZE)).sort()
    const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] as number
    return { p50: at(0.5), p99: at(0.99) }
  }
}
