/**
 * Inside an executor: whose children are the spans that it makes?
 */
import { type Context, context, createContextKey, trace } from '@opentelemetry/api'
import { backoff, OptionsError, QueuedExecutor, type RunContext } from 'triage-queue'
import { inSpan, otel } from 'triage-queue/otel'
import { expect, test } from 'vitest'
import { Recorder, traced } from './support.ts'

test('what the executor does is below its run', async () => {
  const recorder = new Recorder()
  const queue = new QueuedExecutor(
    inSpan((name: string) => recorder.within(name, async () => name)),
    { name: 'llm' },
  )
  otel(queue, { tracerProvider: recorder.provider, meter: false })
  await recorder.within('submitter', () => queue.execute('call'))
  expect(recorder.tree(recorder.only('submitter'))).toEqual([
    'submitter',
    '  process llm',
    '    wait llm',
    '    run llm',
    '      call',
  ])
})

test('what each attempt does is below the run of that attempt', async () => {
  const recorder = new Recorder()
  const attempt = (_: unknown, run: RunContext) =>
    recorder.within(`attempt ${run.attempt}`, async () => {
      if (run.attempt === 1) throw new Error('once more')
    })
  const queue = new QueuedExecutor(inSpan(attempt), { retry: backoff({ baseMs: 1, jitter: 'none' }) })
  otel(queue, { tracerProvider: recorder.provider, meter: false })
  await queue.execute(undefined)
  const runs = recorder.named('run triage').map((run) => recorder.tree(run))
  expect(runs).toEqual([
    ['run triage', '  attempt 1'],
    ['run triage', '  attempt 2'],
  ])
})

test('without inSpan it is below the submitter', async () => {
  const recorder = new Recorder()
  const queue = new QueuedExecutor((name: string) => recorder.within(name, async () => name))
  otel(queue, { tracerProvider: recorder.provider, meter: false })
  await recorder.within('submitter', () => queue.execute('call'))
  expect(recorder.only('call').parentSpanContext).toEqual(recorder.only('submitter').spanContext())
})

test('a queue whose executor submits to another, with the same id: each run is below its own', async () => {
  const recorder = new Recorder()
  const work = async (n: number) => recorder.within(`work ${n}`, async () => n)
  const inner = new QueuedExecutor(inSpan(work), { name: 'inner', concurrency: 1 })
  const relay = (n: number, { id }: RunContext) => inner.execute(n, { id })
  const outer = new QueuedExecutor(inSpan(relay), { name: 'outer' })
  const bare = new QueuedExecutor(relay, { name: 'bare' })
  for (const queue of [inner, outer, bare]) otel(queue, { tracerProvider: recorder.provider, meter: false })
  await recorder.within('submitter', () => Promise.all([1, 2, 3].map((n) => outer.execute(n, { id: `outer ${n}` }))))
  await recorder.within('other', () => bare.execute(4, { id: 'bare 4' }))
  const below = (n: number) => [
    '  process outer',
    '    wait outer',
    '    run outer',
    '      process inner',
    '        wait inner',
    '        run inner',
    `          work ${n}`,
  ]
  const tree = recorder.tree(recorder.only('submitter'))
  expect(tree.toSorted()).toEqual(['submitter', ...below(1), ...below(2), ...below(3)].toSorted())
  for (const n of [1, 2, 3]) {
    const run = recorder.spans.find((span) => recorder.childrenOf(span).includes(recorder.only(`work ${n}`)))
    const process = recorder.spans.find((span) => recorder.childrenOf(span).includes(run as typeof span))
    expect([run?.name, process?.attributes['messaging.message.id']]).toEqual(['run inner', `outer ${n}`])
  }
  // Not wrapped: its run has no children, and the inner request is below the submitter.
  expect(
    recorder
      .childrenOf(recorder.only('other'))
      .map(({ name }) => name)
      .sort(),
  ).toEqual(['process bare', 'process inner'])
  expect(recorder.childrenOf(recorder.only('run bare'))).toEqual([])
  expect(recorder.open).toBe(0)
})

test('of two that start together, the one that is not attached does not get the span of the other', async () => {
  const recorder = new Recorder()
  const attached = new QueuedExecutor(async () => {})
  const other = new QueuedExecutor(inSpan(async () => trace.getActiveSpan()))
  otel(attached, { tracerProvider: recorder.provider, meter: false })
  const [, active] = await Promise.all([attached.execute(undefined), other.execute(undefined)])
  expect(active).toBeUndefined()
})

test('a queue that is not attached never gets the span of another', async () => {
  const recorder = new Recorder()
  const active: unknown[] = []
  const inner = new QueuedExecutor(inSpan(async () => void active.push(trace.getActiveSpan())))
  const outer = new QueuedExecutor((_: number, { id }) => inner.execute(undefined, { id }), { name: 'outer' })
  otel(outer, { tracerProvider: recorder.provider, meter: false })
  await outer.execute(1, { id: 'same' })
  expect(active).toEqual([undefined])
})

test("the rest of the submitter's context is kept", async () => {
  const key = createContextKey('tenant')
  const recorder = new Recorder()
  const queue = new QueuedExecutor(inSpan(async () => [context.active().getValue(key), trace.getActiveSpan()]))
  otel(queue, { tracerProvider: recorder.provider, meter: false })
  const submit = (base: Context) => context.with(base.setValue(key, 'acme'), () => queue.execute(undefined))
  const [tenant, active] = await submit(context.active())
  expect(tenant).toBe('acme')
  expect((active as { name: string }).name).toBe('run triage')
})

test('it hands on the request, the run and the answer, with and without otel()', async () => {
  const { clock, queue, detach } = traced()
  const first = queue.execute(3)
  await clock.run({ until: first })
  detach()
  const second = queue.execute(4)
  await clock.run({ until: second })
  expect([await first, await second]).toEqual([3, 4])
  const direct = inSpan((n: number, run: RunContext) => [n, run.id])
  expect(direct(1, { id: 'own' } as RunContext)).toEqual([1, 'own'])
  const broken = new QueuedExecutor(
    inSpan(() => {
      throw new RangeError('at once')
    }),
  )
  await expect(broken.execute(undefined)).rejects.toThrow(new RangeError('at once'))
})

test('what is no function is refused', () => {
  expect(() => inSpan('fn' as never)).toThrow(OptionsError)
  expect(() => inSpan('fn' as never)).toThrow("Option 'executor': expected a function, got 'fn'")
})
