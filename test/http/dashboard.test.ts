/** What the dashboard asks of a service: history by tier, slots, refusals, a time line, what starts next, what is put off, settings. */
import { backoff, fairBy } from 'triage-queue'
import { expect, test, vi } from 'vitest'
import { FailedAttempts, timelineOf } from '../../src/http/timeline.ts'
import { bySse, type Frame, numbered } from './support/events.ts'
import { held, serve, until } from './support/service.ts'

test('a snapshot says the settings in words, and stats carry the last point of history', async () => {
  const { url } = await serve({ queue: { maxQueueSize: { total: 50, low: 10 } } })
  const listener = bySse(url)
  const { queues } = await listener.until(({ event }) => event === 'snapshot')
  expect(queues[0].settings).toMatchObject({
    lines: expect.arrayContaining(["'llm' runs at most 2 requests at once."]),
    warnings: [expect.stringContaining('low starves')],
    maxQueueSizeByPriority: { urgent: null, low: 10 },
    runTimeoutMsByPriority: { urgent: 300_000 },
  })
  expect(queues[0].kept).toMatchObject({ completed: 0, dead: 0 })
  const stats = await listener.until(({ event }) => event === 'stats')
  expect(stats.point).toEqual(queues[0].history.points.at(-1))
  expect(stats.kept).toMatchObject({ dead: 0 })
})

test('a point of history has what was asked, done and refused of each tier, a second as long as it was', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'performance'] })
  try {
    const calls = held()
    const { submit, ask } = await serve({ run: calls.run, queue: { concurrency: 1, maxQueueSize: 'none' } })
    const low = submit(1, { headers: { 'triage-priority': 'low' } })
    await calls.called(1)
    await low
    for (let n = 0; n < 9; n++) await submit(n, { headers: { 'triage-priority': 'urgent' } })
    calls.calls[0]?.resolve('x')
    // Twice as late as it should be.
    vi.advanceTimersByTime(4_999)
    await until(async () => (await ask('/v1/queues/llm', { as: 'vera' })).body.totals.completed === 1)
    vi.advanceTimersByTime(1)
    const stats = async (): Promise<Frame> => (await ask('/v1/queues/llm/stats', { as: 'vera' })).body.history.points
    await until(async () => (await stats()).length === 2)
    expect((await stats()).at(-1)).toMatchObject({
      askedByPriority: { urgent: 1.8, high: 0, normal: 0, low: 0.2 },
      doneByPriority: { urgent: 0, low: 0.2 },
      refusedByPriority: { urgent: 1.8, low: 0 },
      refusedByReason: { queue_full: { urgent: 1.8 } },
      ...{ donePerSecond: 0.2, refusedPerSecond: 1.8, failedPerSecond: 0, expiredPerSecond: 0 },
    })
  } finally {
    vi.useRealTimers()
  }
})

test('quantiles of the last minute are at most 6 % too high', async () => {
  vi.useFakeTimers({ toFake: ['setInterval'] })
  try {
    const { ask, queue } = await serve({
      run: () => new Promise((resolve) => setTimeout(resolve, 40)),
      queue: { concurrency: 50 },
    })
    await Promise.all(Array.from({ length: 50 }, (_, n) => queue.execute(n)))
    vi.advanceTimersByTime(5_000)
    const points = async (): Promise<Frame> => (await ask('/v1/queues/llm/stats', { as: 'vera' })).body.history.points
    await until(async () => (await points()).length === 2)
    const { run } = (await points()).at(-1)
    const { p50Ms } = queue.getStatus().run
    expect(run.count).toBe(50)
    expect(run.p50Ms).toBeGreaterThanOrEqual(p50Ms * 0.999)
    expect(run.p50Ms).toBeLessThanOrEqual(p50Ms * 1.0626)
  } finally {
    vi.useRealTimers()
  }
})

test('a slot says what it runs, since when, and after what wait; one that is stuck, too', async () => {
  const { ask, submit } = await serve({
    run: () => new Promise(() => {}),
    queue: { concurrency: 1, runTimeoutMs: 30 },
  })
  await submit(1, { headers: { 'idempotency-key': 'k', 'triage-priority': 'high' } })
  const slot = async (): Promise<Frame> => (await ask('/v1/queues/llm/workers', { as: 'vera' })).body.workers[0]
  await until(async () => (await slot()).currentRequest !== null)
  expect(await slot()).toMatchObject({
    currentRequest: 'sam~k',
    priority: 'high',
    attempt: 1,
    waitMs: expect.any(Number),
  })
  await until(async () => !(await slot()).healthy)
  // Its caller has been answered; the call goes on.
  const stuck = await slot()
  expect(stuck).toMatchObject({ currentRequest: 'sam~k', priority: 'high', attempt: 1 })
  expect(stuck.runMs).toBeGreaterThanOrEqual(29)
  expect(Math.abs(Date.now() - Date.parse(stuck.since) - stuck.runMs)).toBeLessThan(1_000)
})

test('the last refusals are told, the youngest first, with what explains them and nothing of what they were about', async () => {
  const { ask, submit, queue } = await serve({ run: held().run, queue: { concurrency: 1, maxQueueSize: 1 } })
  queue.pause()
  await submit('secret', { headers: { 'triage-priority': 'urgent' } })
  for (const key of ['a', 'b'])
    await submit('secret', { headers: { 'idempotency-key': key, 'triage-priority': 'low' } })
  await submit('secret', { headers: { 'triage-priority': 'high', 'idempotency-key': 'c' } })
  const refusals = async (query = ''): Promise<Frame> =>
    (await ask(`/v1/queues/llm/refusals${query}`, { as: 'vera' })).body
  const all = await refusals()
  expect(all.count).toBe(3)
  expect(all.refusals.map(({ id }: Frame) => id)).toEqual(['sam~c', 'sam~b', 'sam~a'])
  expect(all.refusals[2]).toMatchObject({
    ...{ priority: 'low', reason: 'queue_full', at: expect.any(String) },
    error: { name: 'QueueFullError', code: 'TRIAGE_QUEUE_FULL' },
    explain: { rule: 'maxQueueSize' },
  })
  expect((await refusals('?priority=low&limit=1')).refusals.map(({ id }: Frame) => id)).toEqual(['sam~b'])
  expect((await refusals('?reason=other')).refusals).toEqual([])
  expect(JSON.stringify(all)).not.toContain('secret')
  for (let n = 0; n < 1_200; n++) void queue.execute(n, { priority: 'low' }).catch(() => {})
  expect((await refusals('?limit=200')).refusals).toHaveLength(200)
  expect((await refusals()).count).toBe(1_203)
  expect((await ask('/v1/queues/llm/refusals?limit=x', { as: 'vera' })).status).toBe(400)
})

test('whose it is stands with each request, in its slot, refused and dead, by what the order tells them apart by', async () => {
  const calls = held()
  const order = fairBy((request: { tenant: string }) => request.tenant)
  const { ask, submit } = await serve({
    run: calls.run,
    queue: { concurrency: 1, maxQueueSize: 1, whenFull: 'reject', order: order as never },
  })
  for (const [key, tenant] of Object.entries({ a: 'acme', b: 'bulk', c: 'crow' })) {
    await submit({ tenant }, { headers: { 'idempotency-key': key } })
  }
  await calls.called(1)
  const of = async (path: string): Promise<Frame> => (await ask(`/v1/queues/llm/${path}`, { as: 'vera' })).body
  const keys = async (state: string): Promise<unknown> =>
    (await of(`requests?state=${state}`)).requests.map(({ id, key }: Frame) => [id, key])
  expect(await keys('running')).toEqual([['sam~a', 'acme']])
  expect(await keys('waiting')).toEqual([['sam~b', 'bulk']])
  expect((await of('requests/sam~b')).key).toBe('bulk')
  expect((await of('workers')).workers).toMatchObject([{ currentRequest: 'sam~a', key: 'acme' }])
  expect((await of('refusals')).refusals).toMatchObject([{ id: 'sam~c', key: 'crow' }])
  calls.calls[0]?.reject(new Error('no'))
  await calls.called(2)
  expect(await keys('dead')).toEqual([['sam~a', 'acme']])
  calls.calls[1]?.resolve(1)
  await until(async () => (await of('requests/sam~b')).state === 'completed')
  expect(await keys('completed')).toEqual([['sam~b', 'bulk']])
  expect((await of('workers')).workers).toMatchObject([{ currentRequest: null, key: null }])
})

test('a record has a time line: waits, runs and pauses between attempts, each with what it ended with', async () => {
  const calls = held()
  const { ask, submit } = await serve({
    run: calls.run,
    queue: { concurrency: 1, retry: backoff({ baseMs: 1, attempts: 2 }) },
  })
  await submit(1, { headers: { 'idempotency-key': 'k' } })
  await calls.called(1)
  const timeline = async (): Promise<Frame> =>
    (await ask('/v1/queues/llm/requests/sam~k', { as: 'vera' })).body.timeline
  expect((await timeline()).map(({ phase, to }: Frame) => [phase, to === null])).toEqual([
    ['queue', false],
    ['run', true],
  ])
  calls.calls[0]?.reject(Object.assign(new Error('secret'), { name: 'UpstreamError', code: 'E503' }))
  await calls.called(2)
  calls.calls[1]?.reject(Object.assign(new Error('secret'), { name: 'UpstreamError' }))
  await until(async () => (await ask('/v1/queues/llm/requests/sam~k', { as: 'vera' })).body.state === 'dead')
  const whole = await timeline()
  expect(whole.map(({ phase, attempt, outcome, error }: Frame) => [phase, attempt, outcome, error?.name])).toEqual([
    ['queue', 1, undefined, undefined],
    ['run', 1, 'failed', 'UpstreamError'],
    ['backoff', 2, undefined, undefined],
    ['queue', 2, undefined, undefined],
    ['run', 2, 'dead', 'UpstreamError'],
  ])
  // One follows the other, without a gap.
  for (const [at, { from }] of whole.entries()) if (at > 0) expect(from).toBe(whole[at - 1].to)
  expect(JSON.stringify(whole)).not.toContain('secret')
})

test('a time line of one that waits, backs off, or has ended without a run', () => {
  const submittedAt = new Date(1_000).toISOString()
  const view = { id: 'a', queue: 'llm', priority: 'low', generation: 1, attempts: 0, submittedAt } as const
  const failed = [{ attempt: 1, startedAt: 2_000, failedAt: 3_000, delayMs: 5_000, error: { name: 'E' } }]
  const phases = (...args: Parameters<typeof timelineOf>): unknown =>
    timelineOf(...args).map(({ phase, from, to, outcome }) => [
      phase,
      Date.parse(from),
      to === null ? null : Date.parse(to),
      outcome,
    ])
  expect(phases({ ...view, state: 'waiting' }, [])).toEqual([['queue', 1_000, null, undefined]])
  const cancelled = { ...view, state: 'cancelled' as const, endedAt: new Date(1_500).toISOString() }
  expect(phases(cancelled, [])).toEqual([['queue', 1_000, 1_500, 'cancelled']])
  const first = [
    ['queue', 1_000, 2_000, undefined],
    ['run', 2_000, 3_000, 'failed'],
  ]
  const one = { ...view, attempts: 1, startedAt: new Date(2_000).toISOString() }
  expect(phases({ ...one, state: 'retrying' }, failed, 4_000)).toEqual([...first, ['backoff', 3_000, null, undefined]])
  const again = [...first, ['backoff', 3_000, 8_000, undefined]]
  expect(phases({ ...one, state: 'retrying' }, failed, 9_000)).toEqual([...again, ['queue', 8_000, null, undefined]])
  const runs = { ...view, attempts: 2, state: 'running' as const, startedAt: new Date(9_000).toISOString() }
  expect(phases(runs, failed, 9_500)).toEqual([
    ...again,
    ['queue', 8_000, 9_000, undefined],
    ['run', 9_000, null, undefined],
  ])
  // In the same millisecond as the failure before, and in fractions of one before its time.
  const soon = { ...runs, startedAt: new Date(3_000).toISOString() }
  const atOnce = [{ ...(failed[0] as (typeof failed)[number]), delayMs: 0.4 }]
  expect(phases(soon, atOnce, 9_500)).toEqual([
    ...first,
    ['backoff', 3_000, 3_000, undefined],
    ['queue', 3_000, 3_000, undefined],
    ['run', 3_000, null, undefined],
  ])
})

test('a time line of one that is tried for ever: the last hundred attempts, by their numbers', () => {
  const attempts = new FailedAttempts()
  for (let attempt = 1; attempt <= 1_000; attempt++) {
    attempts.add({ id: 'a', attempt, delayMs: 0, error: new Error('mine') } as never, attempt)
  }
  const failed = attempts.of('a')
  const view = { id: 'a', queue: 'llm', priority: 'low', generation: 1, attempts: 1_000 } as const
  const submittedAt = new Date(0).toISOString()
  const startedAt = new Date(1_000).toISOString()
  const steps = timelineOf({ ...view, state: 'retrying', submittedAt, startedAt }, failed)
  expect([failed.length, steps[0]?.attempt, steps.at(-1)]).toEqual([
    100,
    901,
    expect.objectContaining({ phase: 'queue', attempt: 1_001 }),
  ])
  const runs = timelineOf(
    { ...view, state: 'running', attempts: 1_001, submittedAt, startedAt: new Date().toISOString() },
    failed,
  )
  expect(runs.at(-1)).toMatchObject({ phase: 'run', attempt: 1_001, to: null })
})

test('what starts next: tier by tier, the oldest first, page by page, while others come and go', async () => {
  const { ask, queue } = await serve({ run: held().run, queue: { concurrency: 1 } })
  queue.pause()
  const tiers = ['low', 'urgent', 'normal', 'high'] as const
  for (let n = 0; n < 40; n++) void queue.execute(n, { id: `r${n}`, priority: tiers[n % 4] as 'low' }).catch(() => {})
  const expected = ['urgent', 'high', 'normal', 'low'].flatMap((tier) =>
    Array.from({ length: 40 }, (_, n) => n)
      .filter((n) => tiers[n % 4] === tier)
      .map((n) => `r${n}`),
  )
  const found: string[] = []
  let cursor = ''
  do {
    const { body } = await ask(`/v1/queues/llm/requests?state=waiting&order=next&limit=7${cursor}`, { as: 'vera' })
    found.push(...body.requests.map(({ id }: Frame) => id))
    expect(body.requests.map(({ position }: Frame) => position)).toEqual(
      body.requests.map(({ id }: Frame) => queue.position(id)),
    )
    cursor = body.cursor === null ? '' : `&cursor=${body.cursor}`
  } while (cursor !== '')
  expect(found).toEqual(expected)
  const low = await ask('/v1/queues/llm/requests?state=waiting&order=next&priority=low&id=r2', { as: 'vera' })
  expect(low.body.requests.map(({ id }: Frame) => id)).toEqual(['r20', 'r24', 'r28'])
  for (const query of ['order=next', 'state=ended&order=next', 'state=waiting&order=next&cursor=bGl2ZTo3'])
    expect((await ask(`/v1/queues/llm/requests?${query}`, { as: 'vera' })).status).toBe(400)
})

test('what is put off is found: by its time, or after others', async () => {
  const { ask, queue } = await serve({ run: held().run, queue: { concurrency: 1 } })
  const first = await queue.submit(0, { id: 'first' })
  void queue.execute(1, { id: 'later', delayMs: 60_000, priority: 'low' }).catch(() => {})
  void queue.execute(2, { id: 'after', after: [first] as never }).catch(() => {})
  void queue.execute(3, { id: 'waits' }).catch(() => {})
  const list = async (query = ''): Promise<Frame> =>
    (await ask(`/v1/queues/llm/requests?state=held${query}`, { as: 'vera' })).body
  await until(async () => (await list()).requests.length === 2)
  const { requests } = await list()
  expect(requests.map(({ id, state }: Frame) => [id, state]).sort()).toEqual([
    ['after', 'held'],
    ['later', 'held'],
  ])
  const { startAt } = requests.find(({ id }: Frame) => id === 'later')
  expect(Math.abs(Date.parse(startAt) - Date.now() - 60_000)).toBeLessThan(5_000)
  expect((await list('&priority=low')).requests).toHaveLength(1)
  expect((await list('&id=aft')).requests).toHaveLength(1)
})

test('one that backs off says when it is tried again, and what it has failed with', async () => {
  const calls = held()
  const { ask, submit } = await serve({
    run: calls.run,
    queue: { retry: backoff({ baseMs: 60_000, jitter: 'none' }) },
  })
  await submit(1)
  await calls.called(1)
  calls.calls[0]?.reject(Object.assign(new Error('secret'), { name: 'UpstreamError' }))
  const list = async (): Promise<Frame> =>
    (await ask('/v1/queues/llm/requests?state=retrying', { as: 'vera' })).body.requests
  await until(async () => (await list()).length === 1)
  const [one] = await list()
  expect(one.error).toEqual({ name: 'UpstreamError' })
  expect(Date.parse(one.nextAttemptAt)).toBeGreaterThan(Date.now() - 1)
})

test('events can be chosen by name', async () => {
  const { url, submit, queue } = await serve()
  const all = bySse(url)
  const some = bySse(url, { query: '?event=completed,paused' })
  for (const each of [all, some]) await each.until(({ event }) => event === 'snapshot')
  await submit(1, { headers: { prefer: 'wait=5' } })
  queue.pause()
  await all.until(({ event }) => event === 'paused')
  await some.until(({ event }) => event === 'paused')
  expect(numbered(some.frames).map(({ event }) => event)).toEqual(['completed', 'paused'])
})

test('the page and what it is made of: from memory, wherever it is mounted, with its policy', async () => {
  const { ask } = await serve({ app: { basePath: '/queue' } })
  const page = await ask('/queue/')
  expect(page.headers['content-security-policy']).toContain("script-src 'self'; style-src 'self'")
  expect(page.text).toContain('src="/queue/dashboard.js"')
  for (const [path, type] of [
    ['/queue/dashboard.js', 'text/javascript; charset=utf-8'],
    ['/queue/dashboard.css', 'text/css; charset=utf-8'],
  ] as const) {
    const { status, headers, text } = await ask(path)
    expect([status, headers['content-type'], headers['x-content-type-options']]).toEqual([200, type, 'nosniff'])
    expect(text.length).toBeGreaterThan(5_000)
  }
  expect((await ask('/queue/dashboard.js.map')).status).toBe(404)
})
