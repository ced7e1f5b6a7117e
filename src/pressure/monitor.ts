/**
 * How busy is this process? Its event loop, its heap, its memory; measured only while somebody asks.
 *
 * The delay of the event loop is Node's own histogram, which has a timer in the loop. It begins with the first question, and
 * ends when a second has gone by without one: an idle process measures nothing, and nothing of this keeps it alive.
 */
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'

/** What may be told of a process; what is left out is not looked at, nor is NaN. */
export interface PressureReadings {
  /** By how much the event loop was late, in ms: the mean since the last reading. */
  readonly eventLoopDelayMs?: number | undefined
  /** Which part of the time since the last reading the event loop was busy: 0 to 1. */
  readonly eventLoopUtilization?: number | undefined
  readonly heapUsedBytes?: number | undefined
  readonly rssBytes?: number | undefined
}

export type Reading = keyof PressureReadings

/** Node's default, and under-pressure's: how often the histogram looks, in ms. It counts as delay, and is taken off. */
const RESOLUTION_MS = 10

const IDLE_MS = 1_000

type LoopDelayHistogram = ReturnType<typeof monitorEventLoopDelay>

/** A function that reads what is wanted, and nothing else. */
export function processReadings(wanted: ReadonlySet<Reading>, monitor = monitorEventLoopDelay): () => PressureReadings {
  const loop = new LoopDelay(monitor)
  let before = performance.eventLoopUtilization()
  const readers: { readonly [R in Reading]: () => number } = {
    eventLoopDelayMs: () => loop.read(),
    eventLoopUtilization() {
      const now = performance.eventLoopUtilization()
      const { utilization } = performance.eventLoopUtilization(now, before)
      before = now
      return utilization
    },
    heapUsedBytes: () => process.memoryUsage().heapUsed,
    rssBytes: () => process.memoryUsage.rss(),
  }
  return () => Object.fromEntries([...wanted].map((reading) => [reading, readers[reading]()]))
}

/**
 * Each tick of the histogram is told from the sums before and after, and not by a reset: after that it needs one tick more to
 * begin, which a loop that is blocked most of the time may not have until it is asked again.
 */
class LoopDelay {
  readonly #monitor: typeof monitorEventLoopDelay
  #histogram: LoopDelayHistogram | undefined
  #isOn = false
  #wasAsked = false
  /** What there was at the last reading. */
  #ticks = 0
  #sumMs = 0
  #at = 0

  constructor(monitor: typeof monitorEventLoopDelay) {
    this.#monitor = monitor
  }

  /** The mean since the last reading; NaN at the first one, when there is nothing to tell it by yet. */
  read(): number {
    this.#wasAsked = true
    this.#histogram ??= this.#monitor({ resolution: RESOLUTION_MS })
    const wasOn = this.#isOn
    if (!wasOn) this.#begin(this.#histogram)
    const { count, mean } = this.#histogram
    const sumMs = count > 0 ? (count * mean) / 1e6 : 0
    const now = performance.now()
    // Not one tick: it has been blocked ever since.
    const lastedMs = count > this.#ticks ? (sumMs - this.#sumMs) / (count - this.#ticks) : now - this.#at
    this.#ticks = count
    this.#sumMs = sumMs
    this.#at = now
    return wasOn ? Math.max(lastedMs - RESOLUTION_MS, 0) : Number.NaN
  }

  #begin(histogram: LoopDelayHistogram): void {
    this.#isOn = true
    histogram.enable()
    this.#endWhenIdle(histogram)
  }

  #endWhenIdle(histogram: LoopDelayHistogram): void {
    this.#wasAsked = false
    const look = (): void => {
      if (this.#wasAsked) {
        this.#endWhenIdle(histogram)
        return
      }
      this.#isOn = false
      histogram.disable()
      // Or the time until it goes on would count as one long delay.
      histogram.reset()
    }
    setTimeout(look, IDLE_MS).unref()
  }
}
