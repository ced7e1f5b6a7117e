/**
 * How long did requests wait and run? Two histograms of the metrics API, which must be told of each duration when it
 * is known: there are no observable histograms.
 */
import type { Attributes, Histogram, Meter } from '@opentelemetry/api'
import type { Outcome, Priority } from '../index.ts'

/** From 1 ms to the default run timeout, in s. The SDK's default buckets are meant for ms. */
const BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]

export class Durations {
  readonly #common: Attributes
  readonly #wait: Histogram
  readonly #run: Histogram
  // Made once for each priority and outcome, of which there are few.
  readonly #attributes = new Map<string, Attributes>()

  constructor(meter: Meter, common: Attributes) {
    this.#common = common
    const options = { unit: 's', advice: { explicitBucketBoundaries: BUCKETS } }
    const wait = 'From submission until an admitted request left the queue: for a slot, or because it ended there'
    const run = 'From the start of each attempt until it failed or its request ended; its call may go on'
    this.#wait = meter.createHistogram('triage.queue.wait_time', { ...options, description: wait })
    this.#run = meter.createHistogram('triage.run_time', { ...options, description: run })
  }

  waited(priority: Priority, ms: number): void {
    this.#wait.record(ms / 1_000, this.#attributesOf(priority))
  }

  ran(priority: Priority, outcome: Outcome, ms: number): void {
    this.#run.record(ms / 1_000, this.#attributesOf(priority, outcome))
  }

  #attributesOf(priority: Priority, outcome?: Outcome): Attributes {
    const key = outcome === undefined ? priority : `${priority} ${outcome}`
    let attributes = this.#attributes.get(key)
    if (attributes === undefined) {
      attributes = {
        ...this.#common,
        'triage.priority': priority,
        ...(outcome !== undefined && { 'triage.outcome': outcome }),
      }
      this.#attributes.set(key, attributes)
    }
    return attributes
  }
}
