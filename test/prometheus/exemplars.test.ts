/**
 * Which trace shows such a run? Exemplars, with the span of the request's own submitter.
 */
import { context, ROOT_CONTEXT, type SpanContext, TraceFlags, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { type OpenMetricsContentType, Registry } from 'prom-client'
import { QueuedExecutor } from 'triage-queue'
import { prometheus } from 'triage-queue/prometheus'
import { VirtualClock } from 'triage-queue/simulation'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { Exposition } from './exposition.ts'

const contexts = new AsyncLocalStorageContextManager()
beforeAll(() => {
  context.setGlobalContextManager(contexts.enable())
})
afterAll(() => {
  context.disable()
})

/** Does something while a span is active. */
function traced<T>(n: number, run: () => T, changes: Partial<SpanContext> = {}): T {
  const digits = (length: number) => n.toString(16).padStart(length, '0')
  const span = { traceId: digits(32), spanId: digits(16), traceFlags: TraceFlags.SAMPLED, ...changes }
  return context.with(trace.setSpan(ROOT_CONTEXT, trace.wrapSpanContext(span)), run)
}

function watched(options: { exemplars?: boolean } = { exemplars: true }) {
  const clock = new VirtualClock()
  const registry = new Registry<OpenMetricsContentType>()
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
  const queue = new QueuedExecutor(
    async (ms: number) => {
      await clock.sleep(Math.abs(ms))
      if (ms < 0) throw new Error('it failed')
    },
    { clock, concurrency: 100 },
  )
  const dispose = prometheus(queue, { registry, buckets: [0.1, 1, 10], ...options })
  const submit = (ms: number): void => void queue.execute(ms).catch(() => {})
  const exemplars = async (): Promise<unknown[]> =>
    new Exposition(await registry.metrics(), 'openmetrics').samples
      .filter(({ exemplar }) => exemplar !== undefined)
      .map(({ labels, exemplar }) => [
        labels.outcome,
        labels.le,
        exemplar?.value,
        Number(`0x${exemplar?.labels.trace_id}`),
      ])
  return { clock, registry, queue, dispose, submit, exemplars }
}

test('each bucket shows the trace of the last request in it, that of its own submitter', async () => {
  const { clock, submit, exemplars } = watched()
  for (const [i, ms] of [50, 70, 100, 200, -300, 2_000, 20_000].entries()) traced(i + 1, () => submit(ms))
  await clock.run()
  expect(await exemplars()).toEqual([
    ['completed', '0.1', 0.1, 3],
    ['completed', '1', 0.2, 4],
    ['completed', '10', 2, 6],
    ['completed', '+Inf', 20, 7],
    ['failed', '1', 0.3, 5],
  ])
  traced(8, () => submit(30))
  await clock.run()
  expect((await exemplars())[0]).toEqual(['completed', '0.1', 0.03, 8])
})

test('an exemplar says which trace and span, and when in seconds of the date', async () => {
  const { clock, submit, registry } = watched()
  const before = Date.now() / 1_000
  traced(0xabc, () => submit(50))
  await clock.run()
  const line = (await registry.metrics()).split('\n').find((each) => each.includes(' # '))
  const [, labels, at] = /# (\{.*\}) 0\.05 (\S+)$/.exec(line ?? '') ?? []
  expect(labels).toBe(`{trace_id="${'abc'.padStart(32, '0')}",span_id="${'abc'.padStart(16, '0')}"}`)
  expect(Number(at)).toBeGreaterThanOrEqual(before)
  expect(Number(at)).toBeLessThanOrEqual(Date.now() / 1_000)
})

test('there is none without a span, without a valid one, or for a trace that is not sampled', async () => {
  const { clock, submit, exemplars } = watched()
  submit(1)
  traced(1, () => submit(1), { traceFlags: TraceFlags.NONE })
  traced(1, () => submit(1), { traceId: 'not a trace' })
  await clock.run()
  expect(await exemplars()).toEqual([])
})

test('the other format shows none', async () => {
  const { clock, submit, registry } = watched()
  traced(1, () => submit(1))
  await clock.run()
  const text = registry as unknown as Registry
  text.setContentType(Registry.PROMETHEUS_CONTENT_TYPE)
  expect(new Exposition(await text.metrics()).samples.some(({ exemplar }) => exemplar !== undefined)).toBe(false)
})

test('off by default: nobody listens, and no span is asked for', async () => {
  const asked = vi.spyOn(trace, 'getActiveSpan')
  const { clock, submit, exemplars } = watched({})
  traced(1, () => submit(1))
  await clock.run()
  expect(await exemplars()).toEqual([])
  expect(asked).not.toHaveBeenCalled()
  asked.mockRestore()
})

test('after dispose nobody listens any more; another that is still there does', async () => {
  const { clock, queue, submit, dispose } = watched()
  const disposeOther = prometheus(queue, { registry: new Registry(), exemplars: true })
  const asked = vi.spyOn(trace, 'getActiveSpan')
  const countAfter = async (ms: number): Promise<number> => {
    asked.mockClear()
    traced(1, () => submit(ms))
    await clock.run()
    return asked.mock.calls.length
  }
  expect(await countAfter(1)).toBe(2)
  dispose()
  dispose()
  expect(await countAfter(-1)).toBe(1)
  disposeOther()
  expect([await countAfter(1), await countAfter(-1)]).toEqual([0, 0])
  asked.mockRestore()
})

test('one that is refused leaves no listener', async () => {
  const { clock, queue, submit, registry, dispose } = watched({})
  expect(() => prometheus(queue, { registry, exemplars: true })).toThrow(/labels/)
  dispose()
  const asked = vi.spyOn(trace, 'getActiveSpan')
  traced(1, () => submit(1))
  await clock.run()
  expect(asked).not.toHaveBeenCalled()
  asked.mockRestore()
})
