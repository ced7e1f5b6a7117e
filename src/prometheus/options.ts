/**
 * What may be chosen? Everything is looked at before anything is registered.
 */
import { register } from 'prom-client'
import { hasMethods, type OptionRule, readGiven, yesOrNo } from '../core/checks.ts'
import { OptionsError } from '../core/errors.ts'
import type { ExecutorEvent, ExecutorHistograms, ExecutorStatus, Listener } from '../index.ts'
import { type Bounds, readBuckets } from './buckets.ts'
import { type Labels, readLabels } from './labels.ts'
import { openTelemetry } from './peer.ts'

/** What is read of a `QueuedExecutor`. */
export interface ObservedExecutor {
  getStatus(): ExecutorStatus
  getHistograms(): ExecutorHistograms
  on<E extends ExecutorEvent>(event: E, listener: Listener<E>): unknown
  off<E extends ExecutorEvent>(event: E, listener: Listener<E>): unknown
}

/** Several executors as one, as `shards()` makes them: each has series of its own, told apart by the label `shard`. */
export interface ObservedShards {
  readonly observed: readonly { readonly shard: string; readonly executor: ObservedExecutor }[]
}

/** What is used of a registry of prom-client, whose types are not imported: it is an optional peer. */
export interface MetricsRegistry {
  readonly contentType: string
  registerMetric(metric: { get(): Promise<unknown>; reset(): void }): void
  getSingleMetric(name: string): unknown
  removeSingleMetric(name: string): void
}

/** What is used of the `trace` of `@opentelemetry/api`. */
export interface TraceApi {
  getActiveSpan(): { spanContext(): SpanContext } | undefined
  isSpanContextValid(context: SpanContext): boolean
}

interface SpanContext {
  readonly traceId: string
  readonly spanId: string
  readonly traceFlags: number
}

export interface PrometheusOptions {
  /**
   * Where the metrics are registered: a `Registry` of prom-client, of either content type.
   * @default prom-client's global `register`
   */
  registry?: MetricsRegistry | undefined
  /**
   * What the name of each metric begins with: letters, digits, `_` and `:`, no digit first; '' for nothing.
   * @default 'triage_'
   */
  prefix?: string | undefined
  /**
   * More labels for all series of this executor: `{ region: 'eu' }`. Not `queue`, `priority`, `reason`, `outcome`,
   * `le` and `quantile`, and nothing that begins with `__`.
   * @default {}
   */
  labels?: { readonly [name: string]: string } | undefined
  /**
   * The upper bounds of the histograms' buckets, in seconds, ascending: one array for both, or one each for the wait
   * and the run. `+Inf` comes by itself.
   *
   * The engine counts in steps, 16 for each power of two. A duration is known to be below a bound when its whole step
   * is: one that equals a bound, or is up to 6 % shorter, may count in the next bucket. Where a bound is the edge of a
   * step (1, 2.5, 5, 10, 25, 50 and 100 ms, and powers of two), all that is shorter counts below it. Sums and counts
   * are exact.
   * @default 1 ms to 1 minute for the wait, 1 ms to 5 minutes for the run
   */
  buckets?:
    | readonly number[]
    | { readonly wait?: readonly number[] | undefined; readonly run?: readonly number[] | undefined }
    | undefined
  /**
   * Keeps, for each bucket of `run_time_seconds`, the trace and span of the last request that completed or failed in
   * it: the span that was active where it was submitted, if it was sampled. Needs `@opentelemetry/api`, and costs
   * listeners on `completed` and `failed`. Only registries of the OpenMetrics content type show it.
   * @default false
   */
  exemplars?: boolean | undefined
  /**
   * The `trace` of `@opentelemetry/api`, for exemplars in a bundle: there the package can't be looked up by its name.
   * @default that of the package that is installed
   */
  traceApi?: TraceApi | undefined
}

/** @throws {OptionsError} for a registry in their place */
export function requireNoRegistry(options: unknown): void {
  if (!rules.registry.fits(options)) return
  const message = "Option 'options': expected an object, got a registry: give `{ registry }`"
  throw new OptionsError('options', 'an object such as { registry }', options, undefined, message)
}

/** The options, complete. */
export interface Settings {
  readonly registry: MetricsRegistry
  readonly prefix: string
  readonly labels: Labels
  readonly bounds: Bounds
  /** Undefined: no exemplars. */
  readonly traces: TraceApi | undefined
}

const rules: { readonly [K in keyof PrometheusOptions]-?: OptionRule } = {
  registry: {
    expected: 'a Registry of prom-client',
    fits: (value) =>
      hasMethods(value, 'registerMetric', 'getSingleMetric', 'removeSingleMetric') &&
      typeof (value as MetricsRegistry).contentType === 'string',
  },
  prefix: {
    expected: 'letters, digits, _ and :, without a digit in front',
    fits: (value) => typeof value === 'string' && /^([a-zA-Z_:][a-zA-Z0-9_:]*)?$/.test(value),
  },
  // These two are looked at where they are read.
  labels: { expected: '', fits: () => true },
  buckets: { expected: '', fits: () => true },
  exemplars: yesOrNo,
  traceApi: {
    expected: 'the trace of @opentelemetry/api',
    fits: (value) => hasMethods(value, 'getActiveSpan', 'isSpanContextValid'),
  },
}

/** @throws {OptionsError} that names the option, what it must be, and what it is */
export function readOptions(executor: ObservedExecutor, options: PrometheusOptions = {}): Settings {
  if (!hasMethods(executor, 'getStatus', 'getHistograms', 'on', 'off')) {
    throw new OptionsError('executor', 'a QueuedExecutor', executor)
  }
  const given = readGiven<PrometheusOptions>('', options, rules)
  const { registry = register, prefix = 'triage_', labels = {}, buckets = {}, exemplars = false, traceApi } = given
  return {
    prefix,
    labels: readLabels(labels),
    bounds: readBuckets(buckets),
    registry,
    traces: exemplars ? (traceApi ?? installedTraces()) : undefined,
  }
}

function installedTraces(): TraceApi {
  const api = openTelemetry<{ trace: TraceApi }>()
  if (api !== undefined) return api.trace
  throw new OptionsError(
    'exemplars',
    'false where @opentelemetry/api is not found; in a bundle, give its `trace` as `traceApi`',
    true,
  )
}
