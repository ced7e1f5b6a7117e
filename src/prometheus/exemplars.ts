/**
 * Which trace shows such a run? The last sampled one in each bucket, for registries that show exemplars.
 */
import type { Priority } from '../core/priority.ts'
import type { ExecutorEvents } from '../index.ts'
import type { ObservedExecutor, TraceApi } from './options.ts'

/** One exemplar, as prom-client writes it. */
export interface Exemplar {
  readonly labelSet: { readonly trace_id: string; readonly span_id: string }
  /** In seconds. */
  readonly value: number
  /** In seconds since 1970: the executor's own clock need not know the date. */
  readonly timestamp: number
}

const SAMPLED = 1

export class Exemplars {
  readonly #traces: TraceApi
  readonly #bounds: readonly number[]
  readonly #kept = new Map<string, (Exemplar | undefined)[]>()

  /** @param bounds of the buckets, in seconds */
  constructor(traces: TraceApi, bounds: readonly number[]) {
    this.#traces = traces
    this.#bounds = bounds
  }

  listenTo(executor: ObservedExecutor): void {
    executor.on('completed', this.#completed)
    executor.on('failed', this.#failed)
  }

  leave(executor: ObservedExecutor): void {
    executor.off('completed', this.#completed)
    executor.off('failed', this.#failed)
  }

  /** By bucket, the one without a bound last; undefined where there was none. */
  of(priority: Priority, outcome: string): readonly (Exemplar | undefined)[] {
    return this.#kept.get(`${priority} ${outcome}`) ?? []
  }

  readonly #completed = (event: ExecutorEvents['completed']): void => this.#keep(event, 'completed')
  readonly #failed = (event: ExecutorEvents['failed']): void => this.#keep(event, 'failed')

  // A listener has the context of the request's own submitter, and so its span.
  #keep({ priority, runMs }: { priority: Priority; runMs: number }, outcome: string): void {
    const context = this.#traces.getActiveSpan()?.spanContext()
    if (context === undefined || !this.#traces.isSpanContextValid(context)) return
    // A trace that nobody keeps would be a link to nowhere.
    if ((context.traceFlags & SAMPLED) === 0) return
    const key = `${priority} ${outcome}`
    let kept = this.#kept.get(key)
    if (kept === undefined) {
      kept = new Array(this.#bounds.length + 1).fill(undefined)
      this.#kept.set(key, kept)
    }
    const value = runMs / 1_000
    const bucket = this.#bounds.findIndex((bound) => value <= bound)
    kept[bucket < 0 ? this.#bounds.length : bucket] = {
      labelSet: { trace_id: context.traceId, span_id: context.spanId },
      value,
      timestamp: Date.now() / 1_000,
    }
  }
}
