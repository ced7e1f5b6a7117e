/**
 * Is what goes wrong told in one line each, with what one must know and nothing that one must not?
 */
import { QueuedExecutor } from 'triage-queue'
import { logTo, type Redactable } from 'triage-queue/log'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test, vi } from 'vitest'
import { memory, timed } from './support.ts'

/** Before the first run has ended nothing is known of the pace: a second, and up to a quarter more. */
const retryAfterMs = expect.toSatisfy((ms: number) => ms >= 1 && ms <= 1_250)
const all = { level: expect.any(String), message: expect.any(String) }

test('each refusal, failure, expiry, displaced request and stuck slot has one line, and what went well has none', async () => {
  const { clock, queue, send } = timed({ maxQueueSize: 2, whenFull: 'shed', runTimeoutMs: 50 })
  const { told, logger } = memory()
  logTo(queue, logger)
  send(10, { id: 'fine' })
  await clock.settle()
  send(-20, { id: 'unlucky' })
  send(20, { id: 'late', waitTimeoutMs: 5 })
  send(20, { id: 'refused', priority: 'low' })
  send(90, { id: 'stuck', priority: 'high' })
  await clock.run()
  queue.concurrency = 3
  await queue.close()
  send(1)

  const full = { queue: 'jobs', event: 'full', waiting: 2, maxQueueSize: 2 }
  expect(told).toEqual([
    { level: 'warn', message: 'queue full', fields: full },
    {
      level: 'warn',
      message: 'request refused',
      fields: {
        queue: 'jobs',
        event: 'rejected',
        id: 'refused',
        priority: 'low',
        reason: 'queue_full',
        code: 'TRIAGE_QUEUE_FULL',
        errorName: 'QueueFullError',
        errorMessage: expect.stringMatching(/^The queue is full: 2 of at most 2 requests wait; retry in about \d+ ms$/),
        retryAfterMs,
        bound: 'total',
        size: 2,
        maxSize: 2,
      },
    },
    { level: 'warn', message: 'queue full', fields: full },
    {
      level: 'warn',
      message: 'request displaced',
      fields: {
        queue: 'jobs',
        event: 'shed',
        id: 'late',
        priority: 'normal',
        code: 'TRIAGE_SHED',
        errorName: 'ShedError',
        errorMessage: "Displaced from a full queue by a request of priority 'high' that goes before it",
        retryAfterMs,
        displacedBy: 'high',
      },
    },
    {
      ...all,
      level: 'warn',
      message: 'request timed out',
      fields: {
        queue: 'jobs',
        event: 'expired',
        id: 'stuck',
        priority: 'high',
        started: true,
        code: 'TRIAGE_RUN_TIMEOUT',
        errorName: 'RunTimeoutError',
        errorMessage: 'The executor did not answer in time: ran 50 ms, the timeout is 50 ms',
        runMs: 50,
        timeoutMs: 50,
      },
    },
    {
      level: 'error',
      message: 'slot stuck',
      fields: { queue: 'jobs', event: 'stuck', id: 'stuck', priority: 'high', slot: 0, runMs: 50, stuckWorkers: 1 },
    },
    {
      level: 'error',
      message: 'request failed',
      fields: {
        queue: 'jobs',
        event: 'failed',
        id: 'unlucky',
        priority: 'normal',
        waitMs: 100,
        runMs: 20,
        code: 'E_LUCK',
        errorName: 'Error',
        errorMessage: 'no luck',
        stack: expect.stringMatching(/^Error: no luck\n +at .*support\.ts/),
      },
    },
    { level: 'info', message: 'concurrency changed', fields: { queue: 'jobs', event: 'resized', from: 1, to: 3 } },
    { level: 'info', message: 'executor closed', fields: { queue: 'jobs', event: 'closed' } },
    {
      level: 'warn',
      message: 'request refused',
      fields: expect.objectContaining({ reason: 'queue_closed', code: 'TRIAGE_QUEUE_CLOSED' }),
    },
  ])
})

test('a wait that was too long says so, and that nothing ran', async () => {
  const { clock, queue, send } = timed({ waitTimeoutMs: 5 })
  const { told, logger } = memory()
  logTo(queue, logger)
  send(10)
  send(10, { id: 'late' })
  await clock.run()
  expect(told.map(({ fields }) => fields)).toEqual([
    {
      queue: 'jobs',
      event: 'expired',
      id: 'late',
      priority: 'normal',
      started: false,
      code: 'TRIAGE_WAIT_TIMEOUT',
      errorName: 'WaitTimeoutError',
      errorMessage: 'No slot was free for it in time: waited 5 of at most 5 ms',
      retryAfterMs,
      waitMs: 5,
      timeoutMs: 5,
    },
  ])
})

test('levels turn lines on and off; what is off is not listened to', async () => {
  const { clock, queue, send } = timed()
  const { told, logger } = memory()
  const heard = new Set<string>()
  const spied = { on: queue.on.bind(queue), off: queue.off.bind(queue), getStatus: () => queue.getStatus() }
  const on: typeof spied.on = (event, listener) => {
    heard.add(event)
    return spied.on(event, listener)
  }
  logTo({ ...spied, on }, logger, { levels: { completed: 'debug', cancelled: 'info', failed: 'off', full: 'off' } })
  send(10, { id: 'fine' })
  send(-10)
  send(10, { id: 'unwanted' })
  queue.cancel('unwanted')
  await clock.run()
  const completed = { queue: 'jobs', event: 'completed', id: 'fine', priority: 'normal', waitMs: 0, runMs: 10 }
  expect(told).toEqual([
    {
      level: 'info',
      message: 'request cancelled',
      fields: expect.objectContaining({ id: 'unwanted', started: false }),
    },
    { level: 'debug', message: 'request completed', fields: completed },
  ])
  expect([...heard].sort()).toEqual([
    'cancelled',
    'closed',
    'completed',
    'expired',
    'rejected',
    'resized',
    'selfWaiting',
    'shed',
    'store',
    'stuck',
    'unrecorded',
  ])
})

test('an attempt that will be repeated is a line for who asks for it', async () => {
  const { clock, queue, send } = timed({
    retry: { name: 'once', delayMs: ({ attempt }) => (attempt < 2 ? 30 : undefined) },
  })
  const { told, logger } = memory()
  logTo(queue, logger, { levels: { retrying: 'info' } })
  send(-10, { id: 'a' })
  await clock.run()
  expect(told.map(({ level, fields }) => [level, fields.event])).toEqual([
    ['info', 'retrying'],
    ['error', 'failed'],
  ])
  expect(told[0]?.fields).toMatchObject({ id: 'a', attempt: 1, delayMs: 30, code: 'E_LUCK', errorMessage: 'no luck' })
})

test('a failure that was not repeated for want of room says so, and no other does', async () => {
  const { clock, queue, send } = timed({
    ...{ concurrency: 2, maxRetrying: 1 },
    retry: { name: 'once', delayMs: ({ attempt }) => (attempt < 2 ? 30 : undefined) },
  })
  const { told, logger } = memory()
  logTo(queue, logger)
  for (const id of ['a', 'b']) send(-10, { id })
  await clock.run()
  expect(told.map(({ fields }) => [fields.id, fields.notRetried])).toEqual([
    ['b', 'full'],
    ['a', undefined],
  ])
})

test('neither payload nor metadata is ever in a line, whatever quotes it', async () => {
  const clock = new VirtualClock()
  const secret = 'jane@example.com'
  const queue = new QueuedExecutor(
    async ({ kind, ...payload }: { kind: string }) => {
      if (kind === 'thrown') throw payload
      if (kind === 'listed') throw Object.values(payload)
      throw new Error('no luck')
    },
    {
      clock,
      schema: {
        '~standard': {
          version: 1,
          vendor: 'test',
          // As valibot does: it quotes what it has received.
          validate: (value) =>
            (value as { kind: string }).kind === 'unfit'
              ? { issues: [{ message: `Received "${secret}"`, path: [secret] }] }
              : { value: value as { kind: string } },
        },
      },
    },
  )
  const levels = { cancelled: 'info', completed: 'info' } as const
  const { told, logger } = memory()
  logTo(queue, logger, { levels })
  const more = { metadata: { secret } }
  const answers = [
    queue.execute({ kind: 'thrown', message: secret, name: secret } as { kind: string }, more),
    queue.execute({ kind: 'listed', message: secret } as { kind: string }, more),
    queue.execute({ kind: 'failed', message: secret } as { kind: string }, more),
    queue.execute({ kind: 'unfit', message: secret } as { kind: string }, more),
    queue.execute({ kind: 'cancelled' }, { ...more, id: 'a' }),
    queue.execute({ kind: 'misused' }, secret as unknown as object),
  ].map((answer) => answer.catch(() => {}))
  queue.cancel('a', { secret })
  await clock.run({ until: Promise.all(answers) })
  expect(told.map(({ fields }) => [fields.event, fields.code ?? fields.errorName])).toEqual([
    ['rejected', 'TRIAGE_INVALID_REQUEST'],
    ['rejected', 'TRIAGE_INVALID_OPTIONS'],
    ['cancelled', 'TRIAGE_CANCELLED'],
    ['failed', 'a thrown object'],
    ['failed', 'a thrown object'],
    ['failed', 'Error'],
  ])
  expect(told[0]?.fields).toMatchObject({ issues: 1 })
  expect(told[1]?.fields).toMatchObject({ option: 'options' })
  expect(JSON.stringify(told)).not.toContain(secret)
})

test('a guard that refuses is named, and not whom it has counted', () => {
  const secret = 'jane@example.com'
  const refusal = { rule: 'by tenant', compared: { tenant: secret, tokens: 0 }, wouldAdmit: `less of ${secret}` }
  const { queue, send } = timed({ rateLimit: { name: 'by tenant', admit: () => refusal } })
  const { told, logger } = memory()
  logTo(queue, logger)
  send(1)
  expect(told.map(({ fields }) => fields)).toEqual([
    {
      queue: 'jobs',
      event: 'rejected',
      priority: 'normal',
      reason: 'rate_limited',
      code: 'TRIAGE_RATE_LIMITED',
      errorName: 'RateLimitedError',
      retryAfterMs,
      rule: 'by tenant',
    },
  ])
})

test('an error of a queue inside this one says whose it is', async () => {
  const { clock, queue: inner } = timed({ name: 'inner', maxQueueSize: 1 })
  const outer = new QueuedExecutor((ms: number) => inner.execute(ms), { clock, name: 'outer', maxQueueSize: 1 })
  const { told, logger } = memory()
  logTo(outer, logger, { levels: { full: 'off' } })
  const ends = Array.from({ length: 12 }, () => outer.execute(5).catch(() => {}))
  await clock.run({ until: Promise.all(ends) })
  const shown = new Set(told.map(({ fields: { event, queue, errorQueue } }) => `${event} ${queue} ${errorQueue}`))
  expect([...shown]).toEqual(['rejected outer undefined', 'failed outer inner'])
})

test('a redactor decides what is shown of a request and its metadata', async () => {
  const { clock, queue, send } = timed({ maxQueueSize: 1 })
  const { told, logger } = memory()
  const redact = ({ request, metadata }: Redactable) => {
    const tenant = (metadata as { tenant?: string } | undefined)?.tenant
    return tenant === undefined ? undefined : { tenant, request }
  }
  logTo(queue, logger, { redact, levels: { full: 'off' } })
  send(1)
  await clock.settle()
  send(1)
  send(1, { metadata: { tenant: 'acme', card: '4111' } })
  send(1, { metadata: { card: '4111' } })
  send(1)
  expect(told.map(({ fields }) => fields.payload)).toEqual([{ tenant: 'acme', request: 1 }, undefined, undefined])
  expect(JSON.stringify(told)).not.toContain('4111')
  expect(told[1]?.fields).not.toHaveProperty('payload')
  expect(told[0]?.fields).not.toHaveProperty('metadata')
})

test('text of any length becomes a short field', async () => {
  const clock = new VirtualClock()
  const queue = new QueuedExecutor(() => Promise.reject(new Error('x'.repeat(1e6))), { clock })
  const { told, logger } = memory()
  logTo(queue, logger)
  queue.execute(1, { id: 'y'.repeat(1e6) }).catch(() => {})
  await clock.run()
  expect(told[0]?.fields).toMatchObject({ id: expect.stringMatching(/^y{499}…$/) })
  expect(JSON.stringify(told).length).toBeLessThan(6_000)
})

test.each([
  ['a getter that throws', Object.defineProperty(new Error(), 'message', { get: () => expect.fail('read') })],
  ['a proxy that throws', new Proxy(new Error(), { has: () => expect.fail('asked'), get: () => expect.fail('read') })],
  ['a symbol', Symbol('s')],
  ['undefined', undefined],
  ['null', null],
])('an error that is %s is a line all the same', async (_name, error) => {
  const clock = new VirtualClock()
  const problems: unknown[] = []
  const queue = new QueuedExecutor(() => Promise.reject(error), { clock, onListenerError: (e) => problems.push(e) })
  const { told, logger } = memory()
  logTo(queue, logger)
  queue.execute(1).catch(() => {})
  await clock.run()
  expect(problems).toEqual([])
  expect(told).toEqual([
    { ...all, fields: expect.objectContaining({ event: 'failed', errorName: expect.any(String) }) },
  ])
})

test('whoever disposes of it at an event hears no more of that very event', () => {
  const { queue } = timed()
  const { told, logger } = memory()
  queue.on('resized', () => log())
  const log = logTo(queue, logger)
  queue.concurrency = 2
  expect(told).toEqual([])
})

test('after dispose nothing is written and nothing listens, however often it is disposed', async () => {
  const { clock, queue, send } = timed()
  const { told, logger } = memory()
  let listeners = 0
  const spied = {
    on: ((event, listener) => {
      listeners++
      return queue.on(event, listener)
    }) as typeof queue.on,
    off: ((event, listener) => {
      listeners--
      return queue.off(event, listener)
    }) as typeof queue.off,
    getStatus: () => queue.getStatus(),
  }
  {
    using log = logTo(spied, logger)
    expect(listeners).toBeGreaterThan(0)
    log()
    log()
  }
  send(-1)
  await clock.run()
  await queue.close()
  expect(told).toEqual([])
  expect(listeners).toBe(0)
})

test('that all runs wait for their own queue is a line', async () => {
  const { told, logger } = memory()
  const clock = new VirtualClock()
  const queue: QueuedExecutor<string, unknown> = new QueuedExecutor(
    async (name: string) => name === 'child' || (await queue.execute('child', { id: 'child', waitTimeoutMs: 5_000 })),
    { clock, concurrency: 1, name: 'jobs' },
  )
  vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
  logTo(queue, logger)
  const parent = queue.execute('parent', { id: 'parent' }).catch(() => {})
  await clock.run({ until: parent })
  vi.restoreAllMocks()
  const fields = {
    queue: 'jobs',
    event: 'selfWaiting',
    id: 'parent',
    priority: 'normal',
    awaits: 'child',
    concurrency: 1,
  }
  expect(told[0]).toMatchObject({ level: 'error', message: 'all runs wait for their own queue', fields })
})
