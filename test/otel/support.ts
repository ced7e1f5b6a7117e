/** A real OpenTelemetry SDK that keeps its spans in memory, and the questions that the tests ask of them. */
import { context, type Span } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { QueuedExecutor, type QueuedExecutorOptions } from 'triage-queue'
import { inSpan, type OtelOptions, otel } from 'triage-queue/otel'
import { VirtualClock } from 'triage-queue/simulation'

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())

/** Spans that were begun and not ended yet are counted, too: none may be left open. */
export class Recorder {
  readonly #exporter = new InMemorySpanExporter()
  open = 0
  readonly provider = new BasicTracerProvider({
    spanProcessors: [
      new SimpleSpanProcessor(this.#exporter),
      {
        onStart: () => void this.open++,
        onEnd: () => void this.open--,
        forceFlush: async () => {},
        shutdown: async () => {},
      },
    ],
  })
  readonly tracer = this.provider.getTracer('test')

  /** The spans that have ended, in the order in which they ended. */
  get spans(): ReadableSpan[] {
    return this.#exporter.getFinishedSpans()
  }

  named(name: string): ReadableSpan[] {
    return this.spans.filter((span) => span.name === name)
  }

  only(name: string): ReadableSpan {
    const [span, ...others] = this.named(name)
    if (span === undefined || others.length > 0) throw new Error(`${others.length + 1} spans are named '${name}'`)
    return span
  }

  childrenOf(parent: { spanContext(): { spanId: string } }): ReadableSpan[] {
    return this.spans.filter((span) => span.parentSpanContext?.spanId === parent.spanContext().spanId)
  }

  /** The names below a span, indented as in a trace view. */
  tree(root: { name: string; spanContext(): { spanId: string } }): string[] {
    const children = this.childrenOf(root).sort((a, b) => startOf(a) - startOf(b))
    return [root.name, ...children.flatMap((child) => this.tree(child).map((line) => `  ${line}`))]
  }

  /** Runs `task` inside a span of its own, which ends with it. */
  within<T>(name: string, task: (span: Span) => Promise<T>): Promise<T> {
    return this.tracer.startActiveSpan(name, (span) => task(span).finally(() => span.end()))
  }
}

export const startOf = ({ startTime: [s, ns] }: ReadableSpan): number => s * 1_000 + ns / 1e6
export const endOf = ({ endTime: [s, ns] }: ReadableSpan): number => s * 1_000 + ns / 1e6

/** A queue of jobs that last as many ms as they say; negative ones fail. */
export function traced(options: QueuedExecutorOptions<number> = {}, more: OtelOptions = {}) {
  const clock = new VirtualClock()
  const recorder = new Recorder()
  const errors: unknown[] = []
  const queue = new QueuedExecutor(
    inSpan(async (ms: number, run) => {
      await clock.sleep(Math.abs(ms), { signal: run.signal })
      if (ms < 0) throw Object.assign(new RangeError('broken'), { code: 'E_BROKEN' })
      return ms
    }),
    { clock, name: 'llm', concurrency: 1, onListenerError: (error) => errors.push(error), ...options },
  )
  const detach = otel(queue, { tracerProvider: recorder.provider, meter: false, clock, ...more })
  return { clock, recorder, queue, detach, errors }
}

export const settled = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error)
