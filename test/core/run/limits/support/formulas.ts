/**
 * The formulas of Netflix's limits, written down a second time, one line for one line and with Java's types: what the
 * policies are held against. Durations are whole nanoseconds, `(int)` is Math.trunc.
 */
import type { JavaSample } from './java-samples.ts'

const int = Math.trunc

/** A limit as Java has it: `update` answers with the new integer limit. */
export interface Formula {
  update(sample: JavaSample): number
}

/** AIMD: ×0.9 when dropped or late, +1 when at least half is in use, from 20 to 200. */
export class AimdFormula implements Formula {
  limit = 20

  update({ rtt, inflight, didDrop }: JavaSample): number {
    let current = this.limit
    if (didDrop || rtt > 5_000_000_000) {
      current = int(current * 0.9)
    } else if (inflight * 2 >= current) {
      current = current + 1
    }
    this.limit = Math.min(200, Math.max(20, current))
    return this.limit
  }
}

/** Vegas, with integer logarithms from a table. */
export class VegasFormula implements Formula {
  static readonly table = Array.from({ length: 1000 }, (_, i) => Math.max(1, String(i).length - 1))
  estimated = 20
  noLoad = 0
  probeCount = 0
  readonly random: () => number
  probeJitter: number

  constructor(random: () => number) {
    this.random = random
    this.probeJitter = this.nextJitter()
  }

  nextJitter(): number {
    return this.random() * (1 - 0.5) + 0.5
  }

  log10(limit: number): number {
    return limit < 1000 ? (VegasFormula.table[limit] as number) : String(limit).length - 1
  }

  update({ rtt, inflight, didDrop }: JavaSample): number {
    this.probeCount++
    if (this.probeJitter * 30 * this.estimated <= this.probeCount) {
      this.probeJitter = this.nextJitter()
      this.probeCount = 0
      this.noLoad = rtt
      return int(this.estimated)
    }
    if (this.noLoad === 0 || rtt < this.noLoad) {
      this.noLoad = rtt
      return int(this.estimated)
    }
    const queueSize = int(Math.ceil(this.estimated * (1 - this.noLoad / rtt)))
    const log = this.log10(int(this.estimated))
    let newLimit: number
    if (didDrop) {
      newLimit = this.estimated - log
    } else if (inflight * 2 < this.estimated) {
      return int(this.estimated)
    } else {
      const alpha = 3 * log
      const beta = 6 * log
      const threshold = log
      if (queueSize <= threshold) {
        newLimit = this.estimated + beta
      } else if (queueSize < alpha) {
        newLimit = this.estimated + log
      } else if (queueSize > beta) {
        newLimit = this.estimated - log
      } else {
        return int(this.estimated)
      }
    }
    newLimit = Math.max(1, Math.min(1000, newLimit))
    this.estimated = newLimit
    return int(this.estimated)
  }
}

/** The average of Gradient2: a plain mean at first, then exponential. */
export class ExpAverageFormula {
  value = 0
  sum = 0
  count = 0
  readonly window: number
  readonly warmup: number

  constructor(window: number, warmup: number) {
    this.window = window
    this.warmup = warmup
  }

  add(sample: number): number {
    if (this.count < this.warmup) {
      this.count++
      this.sum += sample
      this.value = this.sum / this.count
    } else {
      const factor = 2.0 / (this.window + 1)
      this.value = this.value * (1 - factor) + sample * factor
    }
    return this.value
  }
}

/** Gradient2, from 20 to 200 unless told otherwise. */
export class Gradient2Formula implements Formula {
  estimated = 20
  readonly long = new ExpAverageFormula(600, 10)
  readonly max: number

  constructor(max = 200) {
    this.max = max
  }

  update({ rtt, inflight }: JavaSample): number {
    const queueSize = 4
    const shortRtt = rtt
    const longRtt = this.long.add(rtt)
    if (longRtt / shortRtt > 2) {
      this.long.value = this.long.value * 0.95
    }
    if (inflight < this.estimated / 2) {
      return int(this.estimated)
    }
    const gradient = Math.max(0.5, Math.min(1.0, (1.5 * longRtt) / shortRtt))
    let newLimit = this.estimated * gradient + queueSize
    newLimit = this.estimated * (1 - 0.2) + newLimit * 0.2
    newLimit = Math.max(20, Math.min(this.max, newLimit))
    this.estimated = newLimit
    return int(this.estimated)
  }
}
