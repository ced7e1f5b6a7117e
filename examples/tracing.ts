/**
 * What does a trace show of a queue? Who waited for whom, what the executor did meanwhile, who shared a run, and why
 * somebody got no answer.
 *
 * The spans are kept in memory and printed as trees; in production the provider has an exporter to your backend.
 *
 *     node examples/tracing.ts
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { context, SpanStatusCode, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
// In your project: from 'triage-queue', and from 'triage-queue/otel'
import { QueuedExecutor } from '../src/index.ts'
import { inSpan, otel } from '../src/otel/index.ts'

// Once, when the service starts. An SDK for Node does these three lines for you.
const exporter = new InMemorySpanExporter()
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))

// inSpan() makes what the executor does a part of its run; otel() makes the spans of the queue itself.
const model = new QueuedExecutor(
  inSpan(async (prompt: string) => {
    await step('tokenize', 2)
    if (prompt === '') throw new RangeError('an empty prompt')
    return step('generate', 10).then(() => `${prompt}: done`)
  }),
  { name: 'llm', concurrency: 1, maxQueueSize: 2 },
)
const detach = otel(model)

// Five callers at once, each in a span of its own, as an instrumented HTTP server would make it.
await Promise.all([
  serve('GET /summary', () => model.execute('a summary', { id: 'summary-7' })),
  serve('GET /summary again', () => model.execute('a summary', { id: 'summary-7' })),
  serve('GET /nothing', () => model.execute('')),
  serve('GET /report', () => model.execute('a report', { priority: 'low' })),
  serve('GET /too-many', () => model.execute('one too many', { priority: 'low' })),
])
await model.close()
detach()

const spans = exporter.getFinishedSpans()
for (const root of spans.filter((span) => span.parentSpanContext === undefined)) print(root, '')

function serve(name: string, task: () => Promise<unknown>): Promise<void> {
  return tracer().startActiveSpan(name, async (span) => {
    await task().catch(() => span.setStatus({ code: SpanStatusCode.ERROR }))
    span.end()
  })
}

/** Something that the executor does, with a span of its own. */
function step(name: string, ms: number): Promise<void> {
  return tracer().startActiveSpan(name, (span) => sleep(ms).finally(() => span.end()))
}

function tracer() {
  return trace.getTracer('example')
}

function print(span: ReadableSpan, indent: string): void {
  const { 'triage.outcome': outcome, 'error.type': error, 'triage.joined': joined } = span.attributes
  const notes = [
    outcome,
    error,
    joined && `shared by ${Number(joined) + 1} callers`,
    ...span.links.map(({ context }) => `linked with ${nameOf(context.spanId)}`),
    ...span.events.filter(({ name }) => name === 'triage.rejected').map((event) => event.attributes?.['error.type']),
  ]
  console.log([`${indent}${span.name}`, ...notes.filter((note) => note !== undefined)].join(' · '))
  const children = spans.filter(({ parentSpanContext }) => parentSpanContext?.spanId === span.spanContext().spanId)
  for (const child of children) print(child, `${indent}  `)
}

function nameOf(spanId: string): string | undefined {
  return spans.find((span) => span.spanContext().spanId === spanId)?.name
}
