/**
 * How did it go over time? What the pictures count and measure.
 */
import type { VirtualClock } from '../../src/simulation/index.ts'

export type Point = readonly [x: number, y: number]

/** Looks every `everyMs`, and goes on until `untilMs`; x is in seconds. */
export async function sample(
  clock: VirtualClock,
  { everyMs, untilMs }: { everyMs: number; untilMs: number },
  look: (seconds: number) => void,
): Promise<void> {
  look(0)
  for (let at = everyMs; at <= untilMs; at += everyMs) {
    await clock.advanceTo(at)
    look(at / 1_000)
  }
}

/** What happens in each of many equal stretches of time. */
export class Stretches {
  readonly #seconds: number
  readonly #sums: number[]

  constructor(seconds: number, ofSeconds: number) {
    this.#seconds = ofSeconds
    this.#sums = new Array<number>(Math.round(seconds / ofSeconds)).fill(0)
  }

  add(atMs: number, amount = 1): void {
    const index = Math.floor(atMs / 1_000 / this.#seconds)
    if (index < this.#sums.length) this.#sums[index] = (this.#sums[index] as number) + amount
  }

  at(index: number): number {
    return this.#sums[index] as number
  }

  /** One point in the middle of each. */
  points(value: (sum: number, index: number) => number): Point[] {
    return this.#sums.map((sum, index) => [(index + 0.5) * this.#seconds, value(sum, index)])
  }
}

export function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0) / numbers.length
}

/** The smallest number that at least this part of them does not exceed. */
export function quantile(numbers: readonly number[], part: number): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.max(Math.ceil(part * sorted.length) - 1, 0)] as number
}
