/**
 * What the trace of a request shows: who asked, how long it waited and ran, how it ended.
 */
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'
import { backoff, QueuedExecutor, ShedError } from 'triage-queue'
import { inSpan, otel } from 'triage-queue/otel'
import { expect, test, vi } from 'vitest'
import { HandStore } from '../core/keep/hand-store.ts'
import { turn } from '../failures/support.ts'
import { endOf, Recorder, settled, startOf, traced } from './support.ts'

test('a request is a child of its submitter, its wait and its run are its children', async () => {
  const { clock, recorder, queue } = traced()
  const both = recorder.within('submitter', async () => {
    await Promise.all([queue.execute(10), queue.execute(20, { id: 'b', priority: 'low' })])
  })
  await clock.run({ until: both })
  expect(recorder.tree(recorder.only('submitter'))).toEqual([
    'submitter',
    '  process llm',
    '    wait llm',
    '    run llm',
    '  process llm',
    '    wait llm',
    '    run llm',
  ])
  const [first, second] = recorder.named('process llm')
  expect(second?.kind).toBe(SpanKind.INTERNAL)
  expect(second?.attributes).toEqual({
    'messaging.system': 'triage_queue',
    'messaging.destination.name': 'llm',
    'messaging.operation.name': 'process',
    'messaging.operation.type': 'process',
    'messaging.message.id': 'b',
    'triage.priority': 'low',
    'triage.queue.size': 1,
    'triage.outcome': 'completed',
    'triage.wait_ms': 10,
    'triage.run_ms': 20,
  })
  expect(first?.attributes['triage.queue.size']).toBe(0)
  expect(first?.status.code).toBe(SpanStatusCode.UNSET)
})

test('times are those of the executor: nested, in order, without gaps', async () => {
  const { clock, recorder, queue } = traced()
  const attachedAt = Date.now()
  await clock.run({ until: Promise.all([queue.execute(10.5), queue.execute(20), queue.execute(0)]) })
  const requests = recorder.named('process llm')
  expect(requests.map((span) => Math.round((endOf(span) - startOf(span)) * 1_000))).toEqual([10_500, 30_500, 30_500])
  for (const request of requests) {
    const [wait, run] = recorder.childrenOf(request) as [typeof request, typeof request]
    expect([wait.startTime, wait.endTime, run.endTime]).toEqual([request.startTime, run.startTime, request.endTime])
    expect(endOf(wait)).toBeGreaterThanOrEqual(startOf(wait))
    expect(endOf(run)).toBeGreaterThanOrEqual(startOf(run))
  }
  // The virtual clock began at 0, and so did its spans when it was attached.
  expect(Math.abs(startOf(requests[0] as (typeof requests)[0]) - attachedAt)).toBeLessThan(60_000)
})

test('with real time a request lies between the ends of its submitter', async () => {
  const recorder = new Recorder()
  const queue = new QueuedExecutor(inSpan(async (n: number) => recorder.within('work', async () => n)))
  otel(queue, { tracerProvider: recorder.provider, meter: false })
  await recorder.within('submitter', () => queue.execute(1))
  const submitter = recorder.only('submitter')
  const request = recorder.only('process triage')
  const work = recorder.only('work')
  // The SDK cuts the start of its own spans down to whole ms, and lets them end by as much too early.
  expect(startOf(request)).toBeGreaterThan(startOf(submitter) - 1)
  expect(startOf(work)).toBeGreaterThan(startOf(request) - 1)
  expect(endOf(request)).toBeGreaterThan(endOf(work) - 1)
  expect(endOf(submitter)).toBeGreaterThan(endOf(request) - 1)
})

test('with a clock of your own, requests are as far apart as on that clock', async () => {
  const { clock, recorder, queue } = traced()
  await clock.run({ until: queue.execute(1) })
  await clock.advanceTo(3_600_000)
  await clock.run({ until: queue.execute(1) })
  const [first, second] = recorder.named('process llm').map(startOf) as [number, number]
  expect(second - first).toBeCloseTo(3_600_000, 2)
})

test('when the wall clock is set, new requests follow it, and those that are live keep their durations', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2030, 0, 1) })
  try {
    const recorder = new Recorder()
    const hour = 3_600_000
    const queue = new QueuedExecutor(async (by: number) => void vi.setSystemTime(Date.now() + by))
    otel(queue, { tracerProvider: recorder.provider, meter: false })
    for (const by of [hour, -2 * hour, 0]) await queue.execute(by)
    const spans = recorder.named('process triage')
    // A few ms before the hour is the hour, and 0 is not -0.
    const hours = spans.map((span) => Math.round((startOf(span) - Date.UTC(2030, 0, 1)) / hour) + 0)
    expect(hours).toEqual([0, 1, -1])
    for (const span of spans) expect(endOf(span) - startOf(span)).toBeLessThan(hour / 2)
  } finally {
    vi.useRealTimers()
  }
})

test('the submitter of each of 100 interleaved requests finds his own below his span', async () => {
  const { clock, recorder, queue } = traced({ concurrency: 7 })
  const submit = (i: number) =>
    recorder.within(`submitter ${i}`, async (span) => {
      await clock.sleep(i % 5)
      await queue.execute((i * 7) % 13, { id: `request ${i}` })
      expect(trace.getActiveSpan()).toBe(span)
    })
  await clock.run({ until: Promise.all(Array.from({ length: 100 }, (_, i) => submit(i))) })
  for (let i = 0; i < 100; i++) {
    const submitter = recorder.only(`submitter ${i}`)
    expect(recorder.tree(submitter).slice(1)).toEqual(['  process llm', '    wait llm', '    run llm'])
    expect(recorder.childrenOf(submitter)[0]?.attributes['messaging.message.id']).toBe(`request ${i}`)
  }
  expect(recorder.open).toBe(0)
})

test('how it ended decides the status: what is no answer is an error, unless somebody wanted it', async () => {
  const { clock, recorder, queue } = traced({ maxQueueSize: 4, whenFull: 'shed', runTimeoutMs: 40 })
  const stop = new AbortController()
  const answers = [
    queue.execute(-10, { id: 'failed' }),
    queue.execute(99, { id: 'ran too long' }),
    queue.execute(1, { id: 'waited too long', waitTimeoutMs: 30 }),
    queue.execute(1, { id: 'cancelled', signal: stop.signal }),
    queue.execute(1, { id: 'shed', priority: 'low' }),
    queue.execute(1, { id: 'urgent', priority: 'urgent', timeoutMs: 1_000 }),
  ].map(settled)
  await clock.advance(25)
  stop.abort(new Error('enough'))
  const [, , , , shed] = await clock.run({ until: Promise.all(answers) }).then(() => Promise.all(answers))
  expect(shed).toBeInstanceOf(ShedError)

  const ends = Object.fromEntries(
    recorder.named('process llm').map(({ attributes, status, events }) => [
      attributes['messaging.message.id'],
      {
        outcome: attributes['triage.outcome'],
        error: attributes['error.type'],
        status: status.code,
        exceptions: events.map(({ name, attributes: about }) => `${name} ${about?.['exception.type']}`),
      },
    ]),
  )
  const failed = (outcome: string, type: string) => ({
    outcome,
    error: type,
    status: SpanStatusCode.ERROR,
    exceptions: [`exception ${type}`],
  })
  const ok = (outcome: string) => ({ outcome, error: undefined, status: SpanStatusCode.UNSET, exceptions: [] })
  expect(ends).toEqual({
    failed: failed('failed', 'E_BROKEN'),
    'ran too long': failed('expired', 'TRIAGE_RUN_TIMEOUT'),
    'waited too long': failed('expired', 'TRIAGE_WAIT_TIMEOUT'),
    cancelled: ok('cancelled'),
    shed: failed('shed', 'TRIAGE_SHED'),
    urgent: ok('completed'),
  })
  const stages = recorder.spans.filter(
    (span) => span.attributes['error.type'] !== undefined && /^(wait|run)/.test(span.name),
  )
  expect(stages.map((span) => `${span.name}: ${span.attributes['error.type']}`).sort()).toEqual([
    'run llm: E_BROKEN',
    'run llm: TRIAGE_RUN_TIMEOUT',
    'wait llm: TRIAGE_SHED',
    'wait llm: TRIAGE_WAIT_TIMEOUT',
  ])
  expect(recorder.open).toBe(0)
})

test('a retry has a wait and a run of its own, linked with the run that has failed', async () => {
  const { clock, recorder, queue } = traced({ retry: backoff({ attempts: 3, baseMs: 8, jitter: 'none' }) })
  const all = recorder.within('submitter', () => settled(queue.execute(-2)))
  await clock.run({ until: all })
  const request = recorder.only('process llm')
  const stages = recorder.childrenOf(request)
  expect(stages.map((span) => [span.name, Math.round(endOf(span) - startOf(span))])).toEqual([
    ['wait llm', 0],
    ['run llm', 2],
    ['wait llm', 8],
    ['run llm', 2],
    ['wait llm', 16],
    ['run llm', 2],
  ])
  const runs = recorder.named('run llm')
  expect(runs.map(({ attributes }) => [attributes['triage.attempt'], attributes['error.type']])).toEqual([
    [1, 'E_BROKEN'],
    [2, 'E_BROKEN'],
    [3, 'E_BROKEN'],
  ])
  const ids = runs.map((span) => span.spanContext().spanId)
  expect(runs.map(({ links }) => links.map(({ context }) => context.spanId))).toEqual([[], [ids[0]], [ids[1]]])
  // Each exception once: on the run that is tried again, and at last on the request.
  expect([...runs, request].map(({ events }) => events.length)).toEqual([1, 1, 0, 1])
  expect(request.attributes).toMatchObject({ 'triage.outcome': 'failed', 'triage.retries': 2, 'triage.run_ms': 2 })
  expect(recorder.open).toBe(0)
})

test('a request that ends while it backs off ends in its wait', async () => {
  const { clock, recorder, queue } = traced({ retry: backoff({ baseMs: 50, jitter: 'none' }) })
  const answer = settled(queue.execute(-2, { id: 'x' }))
  await clock.advance(10)
  queue.cancel('x')
  await clock.run({ until: answer })
  const names = recorder.childrenOf(recorder.only('process llm')).map(({ name }) => name)
  expect(names).toEqual(['wait llm', 'run llm', 'wait llm'])
  expect(recorder.only('process llm').attributes['triage.outcome']).toBe('cancelled')
  expect(recorder.only('process llm').attributes['triage.run_ms']).toBeUndefined()
  expect(recorder.open).toBe(0)
})

test('a cancelled request says why', async () => {
  const { clock, recorder, queue } = traced()
  const request = await queue.submit(50)
  await clock.advance(5)
  request.cancel('the user left')
  const { attributes } = recorder.only('process llm')
  expect(attributes).toMatchObject({
    'triage.outcome': 'cancelled',
    'triage.cancel_reason': "Cancelled: 'the user left'",
    'triage.run_ms': 5,
  })
})

test('a blocked request has its span from the moment in which it was blocked', async () => {
  const { clock, recorder, queue } = traced({ maxQueueSize: 1, whenFull: 'block' })
  const all = ['a', 'b', 'c'].map((id) => queue.execute(20, { id }))
  const refused = settled(queue.execute(20, { id: 'd', waitTimeoutMs: 15 }))
  await clock.run({ until: Promise.all([...all, refused]) })
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((id) =>
    recorder.named('process llm').find((span) => span.attributes['messaging.message.id'] === id),
  ) as [ReadableSpan, ReadableSpan, ReadableSpan, ReadableSpan]
  expect([a, b, c, d].map((span) => Math.round(endOf(span) - startOf(span)))).toEqual([20, 40, 60, 15])
  expect([a, b, c, d].map((span) => span.events.map(({ name }) => name))).toEqual([
    [],
    [],
    ['triage.admitted'],
    ['exception'],
  ])
  expect(d.attributes).toMatchObject({ 'triage.outcome': 'rejected', 'error.type': 'TRIAGE_WAIT_TIMEOUT' })
  expect(d.status.code).toBe(SpanStatusCode.ERROR)
  expect(recorder.tree(d)).toEqual(['process llm', '  wait llm'])
  expect(recorder.open).toBe(0)
})

test('a blocked caller who gives up is no error', async () => {
  const { clock, recorder, queue } = traced({ maxQueueSize: 1, whenFull: 'block' })
  const stop = new AbortController()
  const all = [queue.execute(20), queue.execute(1), settled(queue.execute(1, { id: 'c', signal: stop.signal }))]
  await clock.advance(1)
  stop.abort(new Error('hung up'))
  await clock.run({ until: Promise.all(all) })
  const gaveUp = recorder.named('process llm').find((span) => span.attributes['messaging.message.id'] === 'c')
  expect(gaveUp?.attributes).toMatchObject({ 'triage.outcome': 'rejected', 'triage.cancel_reason': 'hung up' })
  expect(gaveUp?.status.code).toBe(SpanStatusCode.UNSET)
})

test('a request that its store keeps for the next start has no span that stays open, and is no error', async () => {
  const { clock, recorder, queue } = traced({ store: new HandStore().auto() })
  await turn()
  const ends = ['runs', 'waits'].map((id) => settled(queue.execute(1_000, { id })))
  await turn()
  await clock.advance(7)
  await clock.run({ until: queue.close({ drain: false, graceMs: 0 }) })
  expect(await Promise.all(ends)).toMatchObject([{ code: 'TRIAGE_PARKED' }, { code: 'TRIAGE_PARKED' }])
  expect(recorder.open).toBe(0)
  const spans = recorder.named('process llm')
  const runs = spans.find(({ attributes }) => attributes['messaging.message.id'] === 'runs') as ReadableSpan
  const waits = spans.find(({ attributes }) => attributes['messaging.message.id'] === 'waits') as ReadableSpan
  expect(runs.attributes).toMatchObject({ 'triage.outcome': 'parked', 'triage.run_ms': 7 })
  expect(waits.attributes).toMatchObject({ 'triage.outcome': 'parked' })
  expect(waits.attributes).not.toHaveProperty('triage.run_ms')
  for (const { status, attributes } of spans) {
    expect(status.code).toBe(SpanStatusCode.UNSET)
    expect(attributes).not.toHaveProperty('error.type')
  }
  expect([recorder.tree(runs), recorder.tree(waits)]).toEqual([
    ['process llm', '  wait llm', '  run llm'],
    ['process llm', '  wait llm'],
  ])
})

test('a refusal is an event on the span of its submitter, and no span', async () => {
  const { clock, recorder, queue } = traced({ maxQueueSize: 1, whenFull: 'reject' })
  await clock.run({ until: queue.execute(8) })
  const first = [queue.execute(8), queue.execute(8)]
  const refused = recorder.within('submitter', () => settled(queue.execute(8, { id: 'x', priority: 'high' })))
  // Nobody is there to be told.
  const unheard = settled(queue.execute(8))
  await clock.run({ until: Promise.all([...first, refused, unheard]) })
  const { events } = recorder.only('submitter')
  expect(events.map(({ name }) => name)).toEqual(['triage.rejected'])
  expect(events[0]?.attributes).toEqual({
    'messaging.destination.name': 'llm',
    'messaging.message.id': 'x',
    'triage.priority': 'high',
    'error.type': 'TRIAGE_QUEUE_FULL',
    'triage.retry_after_ms': expect.any(Number),
  })
  expect(recorder.childrenOf(recorder.only('submitter'))).toEqual([])
  expect(recorder.named('process llm')).toHaveLength(3)
})

test('a newcomer who is refused does not end the live request that has its id', async () => {
  const { clock, recorder, queue } = traced({ maxQueueSize: 1, whenFull: 'block', onDuplicate: 'reject' })
  const all = [queue.execute(8), queue.execute(8), queue.execute(8, { id: 'blocked' })]
  const refused = settled(queue.execute(8, { id: 'blocked' }))
  await clock.run({ until: Promise.all([...all, refused]) })
  const outcomes = recorder.named('process llm').map((span) => span.attributes['triage.outcome'])
  expect(outcomes).toEqual(['completed', 'completed', 'completed'])
})

test('a request with the id of one that is being cancelled has a span of its own', async () => {
  const { clock, recorder, queue, errors } = traced()
  const again: Promise<unknown>[] = []
  const twice = new QueuedExecutor(
    async (ms: number, run) => {
      run.signal.addEventListener('abort', () => again.push(twice.execute(3, { id: 'x' })), { once: true })
      await clock.sleep(ms, { signal: run.signal })
    },
    { clock, name: 'twice' },
  )
  const detach = otel(twice, { tracerProvider: recorder.provider, meter: false, clock })
  const first = settled(twice.execute(10, { id: 'x' }))
  await clock.advance(5)
  twice.cancel('x')
  await clock.run({ until: first })
  await clock.run({ until: Promise.all(again) })
  const spans = recorder.named('process twice')
  expect(spans.map((span) => [span.attributes['triage.outcome'], endOf(span) - startOf(span)])).toEqual([
    ['cancelled', expect.closeTo(5, 2)],
    ['completed', expect.closeTo(3, 2)],
  ])
  expect(recorder.open).toBe(0)
  detach()
  await queue.close()
  expect(errors).toEqual([])
})

test('who joins a request is linked with it, in both directions', async () => {
  const { clock, recorder, queue } = traced()
  const callers = ['a', 'b', 'c'].map((name) => recorder.within(name, () => queue.execute(10, { id: 'same' })))
  const unseen = queue.execute(10, { id: 'same', priority: 'high' })
  await clock.run({ until: Promise.all([...callers, unseen]) })
  const request = recorder.only('process llm')
  const [a, b, c] = ['a', 'b', 'c'].map((name) => recorder.only(name).spanContext().spanId)
  expect(request.parentSpanContext?.spanId).toBe(a)
  expect(request.links.map(({ context }) => context.spanId)).toEqual([b, c])
  expect(request.links[0]?.attributes).toEqual({ 'triage.link': 'joined', 'messaging.message.id': 'same' })
  expect(recorder.only('b').links.map(({ context }) => context)).toEqual([request.spanContext()])
  expect(recorder.only('a').links).toEqual([])
  expect(request.attributes).toMatchObject({ 'triage.joined': 3, 'triage.priority': 'high' })
})

test('attributes of your own are on each request', async () => {
  const { clock, recorder, queue } = traced({}, { attributes: { tenant: 'acme' } })
  await clock.run({ until: queue.execute(1) })
  expect(recorder.only('process llm').attributes).toMatchObject({ tenant: 'acme', 'messaging.destination.name': 'llm' })
})

test('the time in which an asynchronous schema looks at a request belongs to its wait', async () => {
  const { clock, recorder, queue } = traced({
    schema: {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value) => clock.sleep(7).then(() => ({ value: value as number })),
      },
    },
  })
  await clock.run({ until: queue.execute(1) })
  const wait = recorder.only('wait llm')
  expect(endOf(wait) - startOf(wait)).toBeCloseTo(7, 2)
  expect(startOf(recorder.only('process llm'))).toBe(startOf(wait))
})
