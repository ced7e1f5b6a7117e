/**
 * How does OpenTelemetry learn of an executor? Two watchers, each of which works without the other:
 *
 *     events    ──▶ Requests ──▶ RequestSpans    a trace of each request
 *                            └─▶ Durations       histograms, since the metrics API has none that could be read out
 *     getStatus ──▶ observeStatus                counters and levels, read only when metrics are collected
 */
import { metrics, trace } from '@opentelemetry/api'
import { Durations } from './durations.ts'
import { observeStatus } from './instruments.ts'
import { type OtelOptions, readOptions, requireWatched } from './options.ts'
import { Requests } from './requests.ts'
import { WallTime } from './wall-time.ts'
import type { Watched } from './watched.ts'

/** Takes it all away again. Calling it twice does nothing; `using` calls it, too. */
export interface Detach {
  (): void
  [Symbol.dispose](): void
}

const SCOPE = 'triage-queue'

/**
 * Traces the requests of an executor and hands its numbers to the metrics API, until it is detached.
 *
 * ```ts
 * const queue = new QueuedExecutor(inSpan(callTheModel), { name: 'llm' })
 * const detach = otel(queue)
 * ```
 * Each request has a span `process llm`, a child of whatever span was active where it was submitted, with the children
 * `wait llm` and `run llm`. Requests that are live already when it is attached have none.
 *
 * On detaching, spans of live requests are ended, with the attribute `triage.detached`.
 * @throws {OptionsError}
 */
export function otel(executor: Watched, options?: OtelOptions): Detach {
  const watched = requireWatched(executor)
  const { tracer, tracerProvider, meter, meterProvider, histograms, attributes, clock } = readOptions(options)
  const queue = watched.getStatus().name
  const common = { ...attributes, 'messaging.destination.name': queue }
  // Without a provider of our own: the global one, also if it is registered only later. That goes for traces alone.
  const tracing = tracer === false ? undefined : (tracer ?? (tracerProvider ?? trace).getTracer(SCOPE))
  const metering = meter === false ? undefined : (meter ?? (meterProvider ?? metrics).getMeter(SCOPE))
  const wantsHistograms = histograms ?? (meter !== undefined || meterProvider !== undefined)

  const requests = new Requests(watched, {
    spans: tracing && { tracer: tracing, queue, attributes: common, wall: new WallTime(clock) },
    durations: metering && wantsHistograms ? new Durations(metering, common) : undefined,
  })
  const stopObserving = metering && observeStatus(metering, watched, common)
  const detach = (): void => {
    stopObserving?.()
    requests.detach()
  }
  return Object.assign(detach, { [Symbol.dispose]: detach })
}
