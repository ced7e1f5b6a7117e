/**
 * Attaching and detaching: nothing is left behind, whatever is live, and nothing throws.
 */
import { context } from '@opentelemetry/api'
import { AlwaysOffSampler, BasicTracerProvider, type Sampler, SamplingDecision } from '@opentelemetry/sdk-trace-base'
import { OptionsError, QueuedExecutor } from 'triage-queue'
import { inSpan, type OtelOptions, otel } from 'triage-queue/otel'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'
import { endOf, Recorder, settled, startOf, traced } from './support.ts'

/** Counts the listeners that an executor has. */
function counted(queue: QueuedExecutor<number, number>): () => number {
  let listeners = 0
  const { on, off } = queue
  queue.on = ((event: never, listener: never) => {
    listeners++
    return on.call(queue, event, listener)
  }) as typeof on
  queue.off = ((event: never, listener: never) => {
    listeners--
    return off.call(queue, event, listener)
  }) as typeof off
  return () => listeners
}

test('on detaching the spans of live requests are ended, and say so', async () => {
  const { clock, recorder, queue, detach, errors } = traced({ maxQueueSize: 1, whenFull: 'block' })
  const all = [10, 10, 10].map((ms) => queue.execute(ms))
  await clock.advance(4)
  expect(recorder.open).toBe(6)
  detach()
  expect(recorder.open).toBe(0)
  expect(recorder.spans.map(({ name }) => name).sort()).toEqual(
    ['process llm', 'process llm', 'process llm', 'run llm', 'wait llm', 'wait llm', 'wait llm'].sort(),
  )
  for (const span of recorder.named('process llm')) {
    expect(span.attributes['triage.detached']).toBe(true)
    expect(span.attributes['triage.outcome']).toBeUndefined()
    expect(endOf(span) - startOf(span)).toBeCloseTo(4, 2)
  }
  await clock.run({ until: Promise.all(all) })
  await clock.run({ until: queue.execute(1) })
  expect(recorder.spans).toHaveLength(7)
  expect(errors).toEqual([])
})

test('no listener is left, however often it is detached', () => {
  const queue = new QueuedExecutor(async (n: number) => n)
  const listeners = counted(queue)
  const recorder = new Recorder()
  const detach = otel(queue, { tracerProvider: recorder.provider })
  expect(listeners()).toBeGreaterThan(0)
  detach()
  detach()
  expect(listeners()).toBe(0)
  {
    using _attached = otel(queue, { tracerProvider: recorder.provider })
    expect(listeners()).toBeGreaterThan(0)
  }
  expect(listeners()).toBe(0)
})

test('without spans and histograms it listens to nothing', () => {
  const queue = new QueuedExecutor(async (n: number) => n)
  const listeners = counted(queue)
  otel(queue, { tracer: false })
  expect(listeners()).toBe(0)
})

test('requests that were live before have no span, and make no error', async () => {
  const { clock, recorder, queue, detach, errors } = traced({ concurrency: 1 })
  detach()
  const early = [settled(queue.execute(-10)), settled(queue.execute(10)), settled(queue.execute(10, { id: 'x' }))]
  await clock.advance(5)
  otel(queue, { tracerProvider: recorder.provider, meter: false, clock })
  const joiner = recorder.within('joiner', () => queue.execute(10, { id: 'x' }))
  queue.get('x')?.setPriority('high')
  const late = queue.execute(10, { id: 'late' })
  await clock.run({ until: Promise.all([...early, joiner, late]) })
  expect(recorder.named('process llm').map((span) => span.attributes['messaging.message.id'])).toEqual(['late'])
  expect(recorder.only('joiner').links).toEqual([])
  expect(errors).toEqual([])
})

test('a listener that detaches in the middle of an event leaves no span open', async () => {
  const clock = new VirtualClock()
  const queue = new QueuedExecutor((ms: number) => clock.sleep(ms), { clock })
  const recorder = new Recorder()
  queue.on('queued', () => detach())
  const detach = otel(queue, { tracerProvider: recorder.provider, meter: false, clock })
  await clock.run({ until: queue.execute(5) })
  expect([recorder.open, recorder.spans]).toEqual([0, []])
})

test.each([
  ['no SDK at all', {}],
  ['a sampler that wants nothing', { tracerProvider: new BasicTracerProvider({ sampler: new AlwaysOffSampler() }) }],
])('with %s every request ends as it would, and no listener throws', async (_name, options: OtelOptions) => {
  const errors: unknown[] = []
  const clock = new VirtualClock()
  const queue = new QueuedExecutor(
    inSpan(async (ms: number) => {
      await clock.sleep(Math.abs(ms))
      if (ms < 0) throw new Error('broken')
      return ms
    }),
    { clock, concurrency: 1, maxQueueSize: 3, whenFull: 'shed', onListenerError: (error) => errors.push(error) },
  )
  const detach = otel(queue, { ...options, clock })
  const all = [
    queue.execute(5),
    queue.execute(-5, { id: 'a' }),
    queue.execute(-5, { id: 'a' }),
    queue.execute(1, { waitTimeoutMs: 2 }),
    queue.execute(1, { priority: 'low' }),
    queue.execute(1, { priority: 'high' }),
    queue.execute(1, { priority: 'low' }),
  ].map(settled)
  await clock.run({ until: Promise.all(all) })
  const { completed, failed, expired, shed, rejected, joined } = queue.getStatus().totals
  expect({ completed, failed, expired, shed, rejected, joined }).toEqual({
    completed: 2,
    failed: 1,
    expired: 1,
    shed: 1,
    rejected: 1,
    joined: 1,
  })
  queue.pause()
  void queue.execute(1).catch(() => {})
  detach()
  expect(errors).toEqual([])
})

test('what is not sampled stays so inside the executor', async () => {
  const provider = new BasicTracerProvider({ sampler: new AlwaysOffSampler() })
  const queue = new QueuedExecutor(inSpan(async () => context.active()))
  otel(queue, { tracerProvider: provider, meter: false })
  const recorder = new Recorder()
  const inside = await queue.execute(undefined)
  const span = recorder.tracer.startSpan('inside', {}, inside)
  expect(span.isRecording()).toBe(false)
})

test('what is not sampled costs one question, and has no children', async () => {
  let asked = 0
  const sampler: Sampler = {
    shouldSample: () => {
      asked++
      return { decision: SamplingDecision.NOT_RECORD }
    },
    toString: () => 'never',
  }
  const queue = new QueuedExecutor(async (n: number) => n)
  otel(queue, { tracerProvider: new BasicTracerProvider({ sampler }), meter: false })
  await Promise.all([queue.execute(1), queue.execute(2)])
  expect(asked).toBe(2)
})

test('errors with hostile getters, and things that are no errors, are shown as well as can be', async () => {
  const hostile = new Proxy(new Error('x'), {
    get() {
      throw new Error('get')
    },
    has() {
      throw new Error('has')
    },
  })
  const thrown = [hostile, undefined, 'words', { code: { toString: null }, message: 7 }, Object.create(null)]
  const errors: unknown[] = []
  const queue = new QueuedExecutor(
    async (i: number) => {
      throw thrown[i]
    },
    { onListenerError: (error) => errors.push(error) },
  )
  const recorder = new Recorder()
  otel(queue, { tracerProvider: recorder.provider, meter: false })
  // None of them may be what a promise is fulfilled with: it would be asked for its `then`.
  await Promise.allSettled(thrown.map((_, i) => queue.execute(i).catch(() => {})))
  expect(errors).toEqual([])
  const spans = recorder.named('process triage')
  expect(spans.map((span) => span.attributes['error.type'])).toEqual(thrown.map(() => '_OTHER'))
  expect(spans.map((span) => span.events[0]?.attributes?.['exception.message'])).toEqual([
    'a value of type object',
    'undefined',
    "'words'",
    '{"code":{"toString":null},"message":7}',
    '{}',
  ])
})

test.each([
  [{ tracer: {} }, "Option 'tracer': expected a Tracer, or false, got {}"],
  [{ tracerProvider: 1 }, "Option 'tracerProvider': expected a TracerProvider, got 1"],
  [{ meter: true }, "Option 'meter': expected a Meter, or false, got true"],
  [{ meterProvider: null }, "Option 'meterProvider': expected a MeterProvider, got null"],
  [{ histograms: 'yes' }, "Option 'histograms': expected a boolean, got 'yes'"],
  [
    { attributes: { a: {} } },
    "Option 'attributes': expected an object of strings, numbers, booleans, or arrays of these",
  ],
  [{ clock: 5 }, "Option 'clock': expected a clock with now, got 5"],
  [{ constructor: 1 }, "Unknown option 'constructor'"],
  [[], "Option 'options': expected an object, got []"],
])('options that are none are refused: %j', (options, message) => {
  const queue = new QueuedExecutor(async () => {})
  const attach = () => otel(queue, options as never)
  expect(attach).toThrow(OptionsError)
  expect(attach).toThrow(message)
})

test('what is no executor is refused', () => {
  for (const executor of [undefined, null, {}, () => {}, 5]) {
    expect(() => otel(executor as never)).toThrow("Option 'executor': expected a QueuedExecutor")
  }
})
