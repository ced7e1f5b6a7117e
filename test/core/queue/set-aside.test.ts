/**
 * What waits for a token: who starts when there is one, and what it still counts for meanwhile.
 */
import {
  aging,
  fairBy,
  type Guard,
  type Priority,
  QueuedExecutor,
  type QueuedExecutorOptions,
  type QueuedRequest,
  QueueFullError,
  tokenBucket,
  weighted,
} from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'

interface About {
  readonly key?: string
  readonly tokens?: number
  /** How long it runs. */
  readonly ms?: number
  /** How often it fails first. */
  readonly failures?: number
}

const keyOf = (_request: unknown, about: unknown) => (about as About | undefined)?.key ?? 'none'
const tokensOf = (_request: unknown, about: unknown) => (about as About | undefined)?.tokens ?? 1

function rated(options: QueuedExecutorOptions<string>) {
  const clock = new VirtualClock()
  const started: [name: string, at: number][] = []
  const failures = new Map<string, number>()
  const executor = async (name: string, { metadata }: { metadata: unknown }) => {
    started.push([name, clock.now()])
    const { ms = 0, failures: times = 0 } = (metadata ?? {}) as About
    if (ms > 0) await clock.sleep(ms)
    const failed = failures.get(name) ?? 0
    failures.set(name, failed + 1)
    if (failed < times) throw new Error(name)
    return name
  }
  const queue = new QueuedExecutor<string, string>(executor, { clock, concurrency: 10, debug: true, ...options })
  const submit = (name: string, priority: Priority = 'normal', metadata: About = {}, more: object = {}) =>
    queue.submit(name, { priority, metadata, ...more })
  /** How it ends. */
  const send = (name: string, priority: Priority = 'normal', metadata: About = {}, more: object = {}) =>
    queue.execute(name, { priority, metadata, ...more }).catch(({ code }) => code)
  return { clock, queue, started, submit, send }
}

/** One token is there, and comes in each tenth of a second. */
const starts = (more: object = {}) => tokenBucket({ perSecond: 10, burst: 1, over: 'wait', ...more })
const perKey = (more: object = {}) => starts({ per: keyOf, ...more })

describe('the next token', () => {
  test('is that of whoever is first in the order then, a newcomer included', async () => {
    const { clock, send, started } = rated({ rateLimit: starts() })
    for (let n = 0; n < 4; n++) void send(`low ${n}`, 'low')
    await clock.advance(50)
    void send('high', 'high')
    await clock.advance(60)
    void send('urgent', 'urgent')
    await clock.run()
    expect(started).toEqual([
      ...[['low 0', 0] as const, ['high', 100] as const, ['urgent', 200] as const],
      ...[['low 1', 300] as const, ['low 2', 400] as const, ['low 3', 500] as const],
    ])
  })

  test('is taken at the start: what waits for a slot, is cancelled or expires has none', async () => {
    const { clock, send, started, submit } = rated({ rateLimit: starts({ burst: 2 }), concurrency: 1 })
    void send('runs', 'normal', { ms: 1_000 })
    const cancelled = await submit('cancelled')
    cancelled.result.catch(() => {})
    void send('expires', 'normal', {}, { waitTimeoutMs: 500 })
    void send('next', 'normal', { ms: 1 })
    void send('last')
    await clock.advance(10)
    cancelled.cancel()
    await clock.run()
    // Two were there by then: the bucket was full again.
    expect(started).toEqual([
      ['runs', 0],
      ['next', 1_000],
      ['last', 1_001],
    ])
  })

  test('is never one too many, however late, after a pause or a stall', async () => {
    const { clock, queue, send, started } = rated({ rateLimit: starts({ burst: 3 }) })
    queue.pause()
    for (let n = 0; n < 8; n++) void send(`${n}`)
    await clock.advance(5_000)
    queue.resume()
    await clock.run()
    expect(started.map(([, at]) => at - 5_000)).toEqual([0, 0, 0, 100, 200, 300, 400, 500])
  })

  test('is for a retry as well', async () => {
    const { clock, queue, send, started } = rated({
      rateLimit: starts(),
      retry: { name: 'at once', delayMs: () => 0 },
    })
    const end = send('fails', 'normal', { failures: 2 })
    void send('other', 'low')
    await clock.advance(50)
    expect(queue.getStatus()).toMatchObject({ retrying: 1, waiting: 1, running: 0 })
    await clock.run()
    expect(await end).toBe('fails')
    expect(started).toEqual([
      ['fails', 0],
      ['fails', 100],
      ['fails', 200],
      ['other', 300],
    ])
  })

  test('is counted from when it is taken, not from when its burst has begun', async () => {
    let at = 0
    const clock = new VirtualClock()
    const times: number[] = []
    const now = () => clock.now() + at
    const queue = new QueuedExecutor(
      () => {
        times.push(now())
        // Each call keeps the event loop to itself for a while, before it answers with a promise.
        at += 400
        return Promise.resolve()
      },
      {
        clock: {
          now,
          setTimeout: (f, ms) => clock.setTimeout(f, ms),
          clearTimeout: (timer) => clock.clearTimeout(timer),
        },
        concurrency: 100,
        rateLimit: tokenBucket({ perSecond: 1, burst: 5, over: 'wait' }),
      },
    )
    for (let n = 0; n < 12; n++) void queue.execute(n)
    for (let step = 0; step < 20; step++) await clock.advance(500)
    expect(times).toHaveLength(12)
    for (const [i, from] of times.entries()) {
      for (let j = i; j < times.length; j++) {
        expect(j - i + 1).toBeLessThanOrEqual(5 + ((times[j] as number) - from) / 1_000 + 1e-6)
      }
    }
  })
})

describe('a key without tokens', () => {
  test('holds back no other key', async () => {
    const { clock, send, started } = rated({ rateLimit: perKey(), concurrency: 1 })
    for (let n = 0; n < 3; n++) void send(`a ${n}`, 'urgent', { key: 'a' })
    for (let n = 0; n < 2; n++) void send(`b ${n}`, 'low', { key: 'b' })
    void send('c', 'low', { key: 'c' })
    await clock.run()
    expect(started).toEqual([
      ...[['a 0', 0] as const, ['b 0', 0] as const, ['c', 0] as const],
      ...[['a 1', 100] as const, ['b 1', 100] as const, ['a 2', 200] as const],
    ])
  })

  test('holds back nobody in a bucket that both share, and takes nothing of that meanwhile', async () => {
    const { clock, send, started } = rated({ rateLimit: [starts({ burst: 4 }), perKey({ perSecond: 2 })] })
    for (let n = 0; n < 4; n++) void send(`a ${n}`, 'urgent', { key: 'a' })
    for (const key of ['b', 'c', 'd']) void send(key, 'low', { key })
    await clock.run()
    expect(started).toEqual([
      ...[['a 0', 0] as const, ['b', 0] as const, ['c', 0] as const, ['d', 0] as const],
      ...[['a 1', 500] as const, ['a 2', 1_000] as const, ['a 3', 1_500] as const],
    ])
  })

  test('does not keep slots from others that take several of them', async () => {
    const { clock, send, started } = rated({ rateLimit: perKey(), concurrency: 2 })
    void send('a 0', 'urgent', { key: 'a' }, { cost: 2 })
    void send('a 1', 'urgent', { key: 'a' }, { cost: 2 })
    void send('b', 'low', { key: 'b', ms: 10 })
    void send('c', 'low', { key: 'c', ms: 10 })
    await clock.run()
    expect(started).toEqual([
      ['a 0', 0],
      ['b', 0],
      ['c', 0],
      ['a 1', 100],
    ])
  })

  test('has its own token although another bucket of the request had none', async () => {
    // Asked for both at once: none is taken unless all are there.
    const { clock, send, started } = rated({ rateLimit: [perKey({ perSecond: 1 }), starts({ perSecond: 2 })] })
    void send('a', 'normal', { key: 'a' })
    void send('b', 'normal', { key: 'b' })
    await clock.advance(100)
    void send('b, urgent', 'urgent', { key: 'b' })
    await clock.run()
    expect(started).toEqual([
      ['a', 0],
      ['b, urgent', 500],
      ['b', 1_500],
    ])
  })
})

describe('what is set aside', () => {
  test('counts as waiting, has its place, and can be moved, cancelled, and be found too old', async () => {
    const { clock, queue, send, started, submit } = rated({ rateLimit: starts() })
    void send('first')
    const requests: QueuedRequest<string, string>[] = []
    for (const [name, priority] of [
      ['a', 'low'],
      ['b', 'normal'],
      ['c', 'low'],
      ['d', 'low'],
    ] as const) {
      requests.push(await submit(name, priority))
    }
    const expired = send('e', 'urgent', {}, { waitTimeoutMs: 60 })
    await clock.advance(40)
    const [a, , c, d] = requests as [
      (typeof requests)[0],
      (typeof requests)[0],
      (typeof requests)[0],
      (typeof requests)[0],
    ]
    const positions = () => requests.map((request) => request.position())
    expect(positions()).toEqual([2, 1, 3, 4])
    expect(requests.map(({ state }) => state)).toEqual(['waiting', 'waiting', 'waiting', 'waiting'])
    expect(queue.getStatus()).toMatchObject({
      ...{ waiting: 5, running: 0, activeWorkers: 0 },
      waitingByPriority: { urgent: 1, high: 0, normal: 1, low: 3 },
      oldestWaitMsByPriority: { urgent: 40, high: 0, normal: 40, low: 40 },
    })
    expect(c.setPriority('high')).toBe(true)
    expect(positions()).toEqual([3, 2, 1, 4])
    a.result.catch(() => {})
    expect(a.cancel()).toBe(true)
    expect(positions()).toEqual([undefined, 2, 1, 3])
    await clock.advance(20)
    expect([await expired, ...positions()]).toEqual(['TRIAGE_WAIT_TIMEOUT', undefined, 1, 0, 2])
    expect(d.setPriority('urgent')).toBe(true)
    await clock.run()
    expect(started).toEqual([
      ['first', 0],
      ['d', 100],
      ['c', 200],
      ['b', 300],
    ])
    expect([queue.getStatus().waiting, clock.timers]).toEqual([0, 0])
  })

  test('counts for the bounds, and is displaced', async () => {
    const { clock, queue, send, started } = rated({ rateLimit: starts(), maxQueueSize: 2, whenFull: 'shed' })
    const ends = ['a', 'b', 'c', 'd'].map((name) => send(name, 'low'))
    await clock.advance(10)
    const urgent = send('urgent', 'urgent')
    await clock.run()
    expect(await Promise.all([...ends, urgent])).toEqual(['a', 'b', 'TRIAGE_SHED', 'TRIAGE_QUEUE_FULL', 'urgent'])
    expect(started).toEqual([
      ['a', 0],
      ['urgent', 100],
      ['b', 200],
    ])
    expect(queue.getStatus().totals).toMatchObject({ shed: 1, rejected: 1 })
  })

  test('needs room in the queue, though slots are free; one with a token needs none', async () => {
    const { clock, queue, send } = rated({ rateLimit: perKey(), maxQueueSize: 1, whenFull: 'reject' })
    const ends = [send('a 0', 'low', { key: 'a' }), send('a 1', 'low', { key: 'a' }), send('a 2', 'low', { key: 'a' })]
    const other = [send('b 0', 'low', { key: 'b', ms: 5 }), send('b 1', 'low', { key: 'b' })]
    await clock.advance(1)
    expect(queue.getStatus()).toMatchObject({ waiting: 1, running: 1 })
    expect(queue.offer('c', { metadata: { key: 'c' } })).toBeDefined()
    expect(queue.offer('c', { metadata: { key: 'c' } })).toBeUndefined()
    await clock.run()
    expect(await Promise.all(ends)).toEqual(['a 0', 'a 1', 'TRIAGE_QUEUE_FULL'])
    expect(await Promise.all(other)).toEqual(['b 0', 'TRIAGE_QUEUE_FULL'])
  })

  test('is finished by close(), or cancelled by close({ drain: false })', async () => {
    for (const drain of [true, false]) {
      const { clock, queue, send, started } = rated({ rateLimit: starts() })
      const ends = ['a', 'b', 'c'].map((name) => send(name))
      await clock.advance(10)
      const closed = queue.close({ drain })
      await clock.run({ until: closed })
      expect(await Promise.all(ends)).toEqual(drain ? ['a', 'b', 'c'] : ['a', 'TRIAGE_CANCELLED', 'TRIAGE_CANCELLED'])
      expect([started.length, queue.getStatus().state, clock.timers]).toEqual([drain ? 3 : 1, 'closed', 0])
    }
  })

  test('is cancelled by its signal, and joined by its id', async () => {
    const { clock, queue, started, submit } = rated({ rateLimit: starts() })
    await submit('first')
    const control = new AbortController()
    const aborted = await submit('a', 'low', {}, { signal: control.signal })
    const shared = await submit('b', 'low', {}, { id: 'b' })
    await clock.advance(10)
    const joined = await submit('b', 'urgent', {}, { id: 'b' })
    const ends = [aborted, shared, joined].map(({ result }) => result.catch((error) => error))
    control.abort('a reason')
    await clock.run()
    expect(await Promise.all(ends)).toEqual(['a reason', 'b', 'b'])
    expect(started).toEqual([
      ['first', 0],
      ['b', 100],
    ])
    expect(queue.getStatus().totals.joined).toBe(1)
  })

  test('has the bucket of the priority that it is given', async () => {
    const { clock, started, submit } = rated({ rateLimit: starts({ per: 'priority' }) })
    await submit('first', 'low')
    const moved = await submit('moved', 'low')
    await submit('last', 'low')
    await clock.advance(10)
    expect(moved.setPriority('high')).toBe(true)
    await clock.run()
    expect(started).toEqual([
      ['first', 0],
      ['moved', 10],
      ['last', 100],
    ])
  })
})

describe('a request of several tokens', () => {
  test('waits for all of them, and nobody behind it takes one; who goes before it does', async () => {
    const rateLimit = starts({ burst: 5, weight: tokensOf })
    const { clock, send, started } = rated({ rateLimit })
    void send('all', 'normal', { tokens: 5 })
    void send('three', 'normal', { tokens: 3 })
    void send('one', 'normal')
    void send('low', 'low')
    await clock.advance(150)
    void send('urgent', 'urgent')
    await clock.run()
    expect(started).toEqual([
      ['all', 0],
      ['urgent', 150],
      ['three', 400],
      ['one', 500],
      ['low', 600],
    ])
  })

  test('never comes in if it takes more than the bucket can hold', async () => {
    const { queue, submit } = rated({ name: 'models', rateLimit: starts({ burst: 5, weight: tokensOf }) })
    const error = await submit('six', 'high', { tokens: 6 }, { id: 'six' }).catch((error) => error)
    expect(error).toMatchObject({
      ...{ code: 'TRIAGE_INVALID_REQUEST', queue: 'models', requestId: 'six', priority: 'high', started: false },
      message: expect.stringContaining('it takes 6 tokens, and tokenBucket.burst is 5'),
    })
    expect(() => queue.offer('six', { metadata: { tokens: 6 } })).toThrow('it takes 6 tokens')
    await expect(submit('nothing', 'low', { tokens: 0 })).rejects.toThrow("Option 'tokenBucket.weight': expected")
    await expect(queue.ready('low', { metadata: { tokens: 6 } })).rejects.toThrow('it takes 6 tokens')
  })

  test('is spaced by as many as it takes, where starts are spread', async () => {
    const rateLimit = tokenBucket({ perSecond: 10, spread: true, over: 'wait', weight: tokensOf })
    const { clock, send, started } = rated({ rateLimit })
    for (const tokens of [1, 3, 1, 0.5, 1]) void send(`${tokens}`, 'normal', { tokens })
    await clock.run()
    expect(started.map(([, at]) => at)).toEqual([0, 100, 400, 500, 550])
  })
})

describe('where nothing may wait', () => {
  test.each(['none', { normal: 'none' }] as const)(
    'a request without a token is refused (%o)',
    async (maxQueueSize) => {
      const { clock, queue, send, started } = rated({ rateLimit: starts(), maxQueueSize })
      const first = send('a')
      await clock.advance(30)
      const error = await queue.execute('b').catch((error) => error)
      expect(error).toMatchObject({ code: 'TRIAGE_RATE_LIMITED', retryAfterMs: 70 })
      const ready = queue.ready()
      await clock.run({ until: ready })
      expect(clock.now()).toBe(100)
      const third = queue.offer('c')
      await clock.run()
      expect([await first, await third?.result, started]).toEqual([
        'a',
        'c',
        [
          ['a', 0],
          ['c', 100],
        ],
      ])
    },
  )

  test('a token that was promised to one of a burst is not that of a more urgent one', async () => {
    const { clock, queue, send, started } = rated({ rateLimit: starts(), maxQueueSize: { normal: 'none' } })
    void send('promised')
    void send('urgent', 'urgent')
    expect(await send('late')).toBe('TRIAGE_RATE_LIMITED')
    await clock.run()
    expect(started).toEqual([
      ['promised', 0],
      ['urgent', 100],
    ])
    expect(queue.getStatus().totals.completed).toBe(2)
  })

  test('one whose token is gone after all is shed: a guard that was asked has let another in', async () => {
    let other: Promise<unknown> | undefined
    const sends: Guard = {
      name: 'sends',
      holdMs: ({ request, probe }) => {
        if (request === 'a' && probe) other ??= queue.execute('b')
        return 0
      },
    }
    const rateLimit = starts()
    const { clock, queue, started } = rated({ rateLimit, overload: sends, maxQueueSize: { normal: 'none' } })
    const end = queue.execute('a').catch((error) => error)
    await clock.run()
    expect(await end).toMatchObject({ code: 'TRIAGE_RATE_LIMITED', started: false, retryAfterMs: 100 })
    expect([await other, started]).toEqual(['b', [['b', 0]]])
    expect(queue.getStatus().totals).toMatchObject({ admitted: 2, completed: 1, shed: 1 })
  })
})

describe('blocked callers', () => {
  test('come in with a token of their own when there is no room, and pass one without', async () => {
    const options = { rateLimit: perKey(), maxQueueSize: 1, whenFull: 'block' } as const
    const { clock, queue, send, started } = rated(options)
    void send('a 0', 'low', { key: 'a' })
    void send('a 1', 'low', { key: 'a' })
    void send('a 2', 'low', { key: 'a' })
    void send('b 0', 'low', { key: 'b' })
    void send('b 1', 'low', { key: 'b' })
    await clock.advance(1)
    expect(started).toEqual([
      ['a 0', 0],
      ['b 0', 0],
    ])
    expect(queue.getStatus()).toMatchObject({ waiting: 1, blocked: 2 })
    await clock.run()
    expect(started.slice(2)).toEqual([
      ['a 1', 100],
      ['b 1', 100],
      ['a 2', 200],
    ])
  })
})

test('a guard that is asked about starts may be wrong, and nobody is lost', async () => {
  const guard: Guard = {
    name: 'wrong',
    bucket: ({ request }) => request,
    tokensInMs: ({ request, at }) => {
      if (request === 'throws') throw new Error('no')
      if (request === 'for ever' && at < 2_500) return Number.POSITIVE_INFINITY
      if (request === 'text') return 'soon' as unknown as number
      return request === 'nearly' ? Number.MIN_VALUE : -1
    },
  }
  const errors: unknown[] = []
  const { clock, send, started } = rated({ overload: guard, onListenerError: (error) => void errors.push(error) })
  await clock.advance(1)
  for (const name of ['for ever', 'throws', 'text', 'nearly', 'plain']) void send(name)
  await clock.run()
  expect(started).toEqual([
    ...[['throws', 1] as const, ['text', 1] as const, ['nearly', 1] as const, ['plain', 1] as const],
    ['for ever', 3_001],
  ])
  expect(errors.map((error) => (error as Error).message)).toEqual(
    expect.arrayContaining([
      'no',
      "Option 'wrong.tokensInMs': expected a function that returns a number of ms, got 'soon'",
    ]),
  )
})

test('tokens that come one by one are shared by weight', async () => {
  const { clock, send, started } = rated({ rateLimit: starts(), order: weighted({ urgent: 4, low: 1 }), debug: false })
  for (let n = 0; n < 40; n++) for (const priority of ['urgent', 'low'] as const) void send(priority, priority)
  // More come all the time, so that a tier is never without a newcomer.
  for (let n = 0; n < 40; n++) {
    await clock.advance(100)
    void send('low', 'low')
  }
  const count = (name: string) => started.slice(0, 40).filter(([each]) => each === name).length
  expect([count('urgent'), count('low')]).toEqual([32, 8])
})

describe('maxDelayMs', () => {
  test('bounds the wait as it is foretold by what goes before in the order', async () => {
    const { queue, send } = rated({ rateLimit: starts({ maxDelayMs: 250 }) })
    for (let n = 0; n < 4; n++) void send(`${n}`, 'normal')
    const error = await queue.execute('late', { priority: 'normal' }).catch((error) => error)
    expect(error).toMatchObject({ code: 'TRIAGE_RATE_LIMITED' })
    expect(queue.offer('low', { priority: 'low' })).toBeUndefined()
    expect(queue.offer('urgent', { priority: 'urgent' })).toBeDefined()
  })
})

describe('a full queue', () => {
  const options = { rateLimit: perKey(), maxQueueSize: 2, whenFull: 'shed' } as const
  const full = (more: object = {}) => rated({ ...options, rateLimit: perKey(), concurrency: 1, ...more })

  test('displaces those without a token before those of their tier that stand, the last of them first', async () => {
    const { clock, queue, send, started } = full({ maxQueueSize: 3 })
    const ends = ['a 0', 'a 1', 'a 2'].map((name) => send(name, 'low', { key: 'a' }))
    await clock.advance(1)
    ends.push(send('runs', 'low', { key: 'r', ms: 20 }))
    await clock.advance(1)
    ends.push(send('stands', 'low', { key: 's' }))
    // It has a token, and they have none.
    ends.push(send('same tier', 'low', { key: 't' }))
    expect(queue.getStatus().waiting).toBe(3)
    ends.push(send('urgent', 'urgent', { key: 'u' }))
    await clock.run()
    expect(await Promise.all(ends)).toEqual([
      ...['a 0', 'TRIAGE_SHED', 'TRIAGE_SHED', 'runs', 'stands', 'same tier', 'urgent'],
    ])
    expect(started.map(([name]) => name)).toEqual(['a 0', 'runs', 'urgent', 'stands', 'same tier'])
  })

  test('keeps one without a token rather than one of a lower tier that stands, also where tiers take turns', async () => {
    const { clock, queue, send } = full({ order: weighted() })
    const ends = ['a 0', 'a 1'].map((name) => send(name, 'high', { key: 'a' }))
    await clock.advance(1)
    ends.push(send('runs', 'low', { key: 'r', ms: 20 }))
    await clock.advance(1)
    ends.push(send('stands', 'low', { key: 's' }))
    expect(queue.getStatus().waiting).toBe(2)
    ends.push(send('urgent', 'urgent', { key: 'u' }))
    await clock.run()
    expect(await Promise.all(ends)).toEqual(['a 0', 'a 1', 'runs', 'TRIAGE_SHED', 'urgent'])
  })

  test('does not displace one without a token for another that would have its token later still', async () => {
    const { clock, send } = full()
    const ends = ['a 0', 'a 1', 'a 2'].map((name) => send(name, 'low', { key: 'a' }))
    await clock.advance(1)
    ends.push(send('a 3', 'low', { key: 'a' }))
    ends.push(send('a 4', 'high', { key: 'a' }))
    await clock.run()
    expect(await Promise.all(ends)).toEqual(['a 0', 'a 1', 'TRIAGE_SHED', 'TRIAGE_QUEUE_FULL', 'a 4'])
  })

  // Of those that wait for the tokens of a bucket, the first one stands again: the second one could start as well by now.
  const later = async (more: object = {}) => {
    const rate = rated({ ...options, rateLimit: perKey({ burst: 2 }), concurrency: 1, ...more })
    const { clock, queue, send, submit } = rate
    const ends: Promise<unknown>[] = []
    for (const name of ['a 0', 'a 1', 'a 2']) {
      ends.push(send(name, 'low', { key: 'a' }))
      await clock.advance(1)
    }
    const last = await submit('a 3', 'low', { key: 'a' })
    ends.push(last.result.catch(({ code }) => code))
    await clock.advance(1)
    ends.push(send('runs', 'low', { key: 'r', ms: 1_000 }))
    await clock.advance(500)
    expect(queue.getStatus()).toMatchObject({ running: 1, waiting: 2 })
    return { ...rate, ends, last }
  }

  test('does not displace one whose token has come meanwhile, for one that goes behind it', async () => {
    const { clock, ends, send } = await later()
    ends.push(send('b', 'low', { key: 'b' }))
    await clock.run()
    expect(await Promise.all(ends)).toEqual(['a 0', 'a 1', 'a 2', 'a 3', 'runs', 'TRIAGE_QUEUE_FULL'])
  })

  test('displaces such a one for one that goes before it', async () => {
    const { clock, ends, send } = await later()
    ends.push(send('b', 'high', { key: 'b' }))
    await clock.run()
    expect(await Promise.all(ends)).toEqual(['a 0', 'a 1', 'a 2', 'TRIAGE_SHED', 'runs', 'b'])
  })

  test('displaces one that a more urgent one has taken its token from', async () => {
    const { clock, ends, send } = await later({ maxQueueSize: 3 })
    ends.push(send('a 4', 'urgent', { key: 'a' }))
    ends.push(send('b', 'low', { key: 'b' }))
    await clock.run()
    expect(await Promise.all(ends)).toEqual(['a 0', 'a 1', 'a 2', 'TRIAGE_SHED', 'runs', 'a 4', 'b'])
  })

  test('nor one whose token has come, and that others wait for', async () => {
    const { clock, ends, last, send } = await later({ maxQueueSize: { total: 4, low: 3 } })
    ends.push(send('after', 'high', { key: 'c' }, { after: [last] }))
    ends.push(send('b', 'low', { key: 'b' }), send('c', 'low', { key: 'c' }))
    await clock.run()
    expect(await Promise.all(ends)).toEqual(['a 0', 'a 1', 'a 2', 'a 3', 'runs', 'after', 'b', 'TRIAGE_QUEUE_FULL'])
  })

  test('displaces last of all one that others wait for, and never one that has run', async () => {
    const { clock, queue, send, submit } = full({
      maxQueueSize: 3,
      retry: { name: 'again', delayMs: () => 0 },
    })
    const first = send('a 0', 'low', { key: 'a', failures: 1 })
    const awaited = await submit('a 1', 'low', { key: 'a' })
    const ends = [first, awaited.result.catch(({ code }) => code), send('a 2', 'low', { key: 'a' })]
    await clock.advance(1)
    ends.push(send('runs', 'urgent', { key: 'r', ms: 20 }))
    ends.push(send('after', 'high', {}, { after: [awaited] }))
    await clock.advance(1)
    // The second attempt of the first has no token, and does not count as waiting.
    expect(queue.getStatus()).toMatchObject({ waiting: 3, retrying: 1, running: 1 })
    for (const name of ['u 0', 'u 1', 'u 2', 'u 3']) ends.push(send(name, 'urgent', { key: name }))
    await clock.run()
    expect(await Promise.all(ends)).toEqual([
      ...['a 0', 'TRIAGE_SHED', 'TRIAGE_SHED', 'runs', 'TRIAGE_SHED'],
      ...['u 0', 'u 1', 'u 2', 'TRIAGE_QUEUE_FULL'],
    ])
  })

  test('tells ready() when there is a token for which it needs no room', async () => {
    const { clock, queue, send } = rated({ rateLimit: perKey(), maxQueueSize: 1, whenFull: 'reject' })
    void send('b', 'low', { key: 'b' })
    await clock.advance(50)
    void send('a 0', 'low', { key: 'a' })
    void send('a 1', 'low', { key: 'a' })
    await clock.advance(1)
    const ready = queue.ready('low', { metadata: { key: 'b' } })
    await clock.run({ until: ready })
    expect(clock.now()).toBe(100)
    expect(queue.offer('b', { metadata: { key: 'b' } })).toBeDefined()
    await clock.run()
  })
})

describe('a retry that is set aside', () => {
  test('can be cancelled, and has its place by its rank', async () => {
    const { clock, queue, started, submit, send } = rated({
      rateLimit: starts(),
      retry: { name: 'at once', delayMs: () => 0 },
    })
    const failing = await submit('fails', 'normal', { failures: 9 })
    const other = send('other')
    await clock.advance(10)
    expect([failing.state, failing.position(), queue.getStatus().retrying]).toEqual(['waiting', 0, 1])
    failing.result.catch(() => {})
    expect(failing.cancel()).toBe(true)
    expect(queue.getStatus()).toMatchObject({ retrying: 0, waiting: 1 })
    await clock.run()
    expect([await other, started.length]).toEqual(['other', 2])
  })

  test('takes the token of one that had a slot promised, and no more wait than may', async () => {
    // It comes back by the same ring of the alarm that has another submitted.
    const { clock, queue, send, started } = rated({
      ...{ rateLimit: starts({ burst: 2 }), maxQueueSize: 1, whenFull: 'reject', concurrency: 2 },
      retry: { name: 'in 100 ms', delayMs: () => 100 },
    })
    void send('fails', 'urgent', { failures: 1 })
    void send('second', 'urgent')
    const expired = send('expires', 'low', {}, { waitTimeoutMs: 100 })
    let late: Promise<unknown> | undefined
    queue.on('expired', () => {
      late = send('late', 'low')
    })
    await clock.advance(100)
    const { waiting, running, retrying } = queue.getStatus()
    expect([await expired, waiting + running, retrying, started.length]).toEqual(['TRIAGE_WAIT_TIMEOUT', 1, 0, 3])
    await clock.run()
    expect(await late).toBe('late')
  })
})

test('with turns, what is set aside brings its tier none, and its place is told as far as it is known', async () => {
  const { clock, queue, started, submit } = rated({ rateLimit: perKey(), order: weighted(), concurrency: 1 })
  const all: QueuedRequest<string, string>[] = []
  for (const name of ['a 0', 'a 1', 'a 2']) all.push(await submit(name, 'low', { key: 'a' }))
  await clock.advance(1)
  all.push(await submit('runs', 'high', { key: 'r', ms: 20 }))
  await clock.advance(1)
  all.push(await submit('low', 'low', { key: 'b' }), await submit('high', 'high', { key: 'c' }))
  expect(all.map((request) => request.position())).toEqual([undefined, 1, 2, undefined, 3, 0])
  const [, aside] = all
  aside?.result.catch(() => {})
  aside?.cancel()
  expect(all.map((request) => request.position())).toEqual([undefined, undefined, 1, undefined, 2, 0])
  expect(all[2]?.setPriority('urgent')).toBe(true)
  await clock.run()
  expect(started.map(([name]) => name)).toEqual(['a 0', 'runs', 'high', 'low', 'a 2'])
  expect(queue.getStatus().waiting).toBe(0)
})

test('a forecast counts what is set aside by the turns of its tier, and across tiers by rank', async () => {
  const orders = [weighted({ high: 4, low: 1 }), aging({ high: 0, low: 1_000 })]
  for (const order of orders) {
    const { clock, queue, send } = rated({ rateLimit: starts({ maxDelayMs: 450 }), order, concurrency: 1 })
    for (let n = 0; n < 4; n++) void send(`${n}`, 'low')
    await clock.advance(1)
    expect(queue.offer('low', { priority: 'low' })).toBeDefined()
    expect(queue.offer('low', { priority: 'low' })).toBeUndefined()
    if (order.name === 'aging') expect(queue.offer('high', { priority: 'high' })).toBeDefined()
    await clock.run()
  }
})

test('a line across tiers is in the order of ranks', async () => {
  const { clock, send, started } = rated({ rateLimit: starts({ burst: 3, weight: tokensOf }), order: aging() })
  void send('all', 'low', { tokens: 3 })
  void send('old', 'low', { tokens: 3 })
  await clock.advance(31_000)
  void send('older than urgent', 'low', { tokens: 3 })
  await clock.advance(30_500)
  void send('urgent', 'urgent', { tokens: 3 })
  void send('high', 'high', { tokens: 2 })
  await clock.run()
  expect(started.map(([name]) => name)).toEqual(['all', 'old', 'older than urgent', 'urgent', 'high'])
})

describe('a guard with tokens', () => {
  test('that throws, or says what is no number, refuses a newcomer; at a new priority it is reported', async () => {
    const errors: unknown[] = []
    const guard: Guard = {
      name: 'own',
      bucket: ({ tier, request }) => {
        if (tier === 0) throw new Error('no bucket')
        return request === 'later' ? Promise.reject(new Error('a bucket')) : request
      },
      tokens: ({ request }) => (request === 'none' ? 0 : 1),
      tokensInMs: ({ at }) => Math.max(50 - at, 0),
    }
    const { clock, queue, started, submit } = rated({
      overload: guard,
      onListenerError: (error) => void errors.push(error),
    })
    await expect(queue.execute('a', { priority: 'urgent' })).rejects.toThrow('no bucket')
    await expect(queue.execute('later')).rejects.toThrow("Option 'own.bucket'")
    await expect(queue.execute('none')).rejects.toThrow(
      "Option 'own.tokens': expected a function that returns a finite",
    )
    const request = await submit('a', 'low')
    await clock.advance(10)
    expect(request.setPriority('urgent')).toBe(true)
    await clock.run()
    expect([started, errors.map((error) => (error as Error).message)]).toEqual([[['a', 50]], ['no bucket']])
  })

  test('of overload sheds with its own error what was let in to start at once, and has no tokens', async () => {
    let isOver = false
    const guard: Guard = { name: 'own', tokensInMs: () => (isOver ? 20 : 0) }
    const { clock, queue } = rated({ overload: guard, maxQueueSize: 'none' })
    const end = queue.execute('a').catch((error) => error)
    isOver = true
    await clock.run()
    expect(await end).toMatchObject({ code: 'TRIAGE_OVERLOADED', retryAfterMs: 20, started: false })
  })

  test('that moves a request while it is asked whether it may start is asked about the one that is first then', async () => {
    let waiting: QueuedRequest<string, string> | undefined
    const asked: unknown[] = []
    const guard: Guard = {
      name: 'moves',
      bucket: ({ request }) => request,
      tokensInMs: ({ at, request }) => (request === 'b' ? 30 - at : 0),
      drop: ({ request }) => {
        asked.push(request)
        waiting?.setPriority('urgent')
        return undefined
      },
    }
    const { clock, queue, started, submit } = rated({ overload: guard, concurrency: 1 })
    queue.pause()
    await submit('a', 'normal')
    waiting = await submit('b', 'low')
    queue.resume()
    await clock.run()
    expect(started.map(([name]) => name)).toEqual(['a', 'b'])
    expect(asked).toEqual(['a', 'a', 'b'])
  })

  test('that ends a blocked request as it is asked about its new priority', async () => {
    let blocked: QueuedRequest<string, string> | undefined
    const guard: Guard = {
      name: 'ends',
      bucket: ({ tier }) => {
        if (tier === 0) blocked?.cancel()
        return tier
      },
      tokensInMs: () => 0,
    }
    const { clock, queue, send } = rated({ overload: guard, concurrency: 1, maxQueueSize: 1, whenFull: 'block' })
    void send('runs', 'low', { ms: 10 })
    void send('waits', 'low')
    const end = queue.execute('blocked', { id: 'blocked', priority: 'low' }).catch(({ code }) => code)
    blocked = queue.get('blocked')
    expect(blocked?.state).toBe('blocked')
    expect(blocked?.setPriority('normal')).toBe(true)
    expect(blocked?.setPriority('urgent')).toBe(false)
    expect(await end).toBe('TRIAGE_CANCELLED')
    await clock.run()
  })

  test('that throws an error of ours has it go through as it is', async () => {
    const error = new QueueFullError('total', 1, 1)
    const guard: Guard = {
      name: 'own',
      admit: () => {
        throw error
      },
    }
    const { queue } = rated({ overload: guard })
    await expect(queue.execute('a')).rejects.toBe(error)
  })
})

describe('at a new priority', () => {
  test('a request that starts later has the bucket of that one, or stays if a guard ends it meanwhile', async () => {
    let ended: QueuedRequest<string, string> | undefined
    const ends: Guard = {
      name: 'ends',
      bucket: ({ tier }) => {
        if (tier === 0) ended?.cancel()
        return tier
      },
      tokensInMs: () => 0,
    }
    const { clock, started, submit } = rated({ rateLimit: starts({ per: 'priority' }), overload: ends })
    await submit('first', 'low')
    const moved = await submit('moved', 'low', {}, { delayMs: 20 })
    ended = await submit('ended', 'low', {}, { delayMs: 20 })
    const end = ended.result.catch(({ code }) => code)
    expect(moved.setPriority('high')).toBe(true)
    expect(ended.setPriority('urgent')).toBe(false)
    await clock.run()
    expect([await end, started]).toEqual([
      'TRIAGE_CANCELLED',
      [
        ['first', 0],
        ['moved', 20],
      ],
    ])
  })
})

test.each([['b'], []])(
  'a guard that ends the first of a line as it is asked about it loses nobody: %o',
  async (...more) => {
    let first: QueuedRequest<string, string> | undefined
    const guard: Guard = {
      name: 'ends',
      tokensInMs: ({ at, request }) => {
        if (at >= 50 && request === 'a') first?.cancel()
        return 50 - at
      },
    }
    const { clock, send, started, submit } = rated({ rateLimit: guard })
    first = await submit('a')
    const end = first.result.catch(({ code }) => code)
    for (const name of more) void send(name)
    await clock.run()
    expect([await end, started]).toEqual(['TRIAGE_CANCELLED', more.map((name) => [name, 50])])
  },
)

test('a guard that ends one that was set aside as it is asked for whom it makes room loses nobody', async () => {
  let last: QueuedRequest<string, string> | undefined
  const guard: Guard = {
    name: 'ends',
    tokensInMs: ({ at, request }) => {
      if (at > 50 && request === 'last') last?.cancel()
      return at < 50 ? 50 - at : 0
    },
  }
  const { clock, queue, send, started, submit } = rated({ rateLimit: guard, concurrency: 1, maxQueueSize: 2 })
  void send('first', 'normal', { ms: 100 })
  last = await submit('last')
  const end = last.result.catch(({ code }) => code)
  await clock.advance(60)
  void send('stands')
  const ends = [end, send('comes')]
  await clock.run()
  expect(await Promise.all(ends)).toEqual(['TRIAGE_CANCELLED', 'TRIAGE_QUEUE_FULL'])
  expect(started.map(([name]) => name)).toEqual(['first', 'stands'])
  expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0 })
})

test('an order of turns that does not know what it is to be set aside is told that it has left, and comes again', async () => {
  const order = aging({ high: 0, low: 1_000 }, { within: fairBy(keyOf) })
  const { clock, queue, send, started, submit } = rated({ rateLimit: perKey(), order, concurrency: 1 })
  for (const name of ['a 0', 'a 1']) void send(name, 'low', { key: 'a' })
  await clock.advance(1)
  void send('runs', 'high', { key: 'r', ms: 20 })
  await clock.advance(9)
  const last = await submit('b', 'low', { key: 'b' })
  // Of a key that has had nothing yet.
  expect(last.position()).toBe(0)
  expect(queue.getStatus().oldestWaitMsByPriority).toMatchObject({ high: 0, low: 0 })
  await clock.run()
  expect(started.map(([name]) => name)).toEqual(['a 0', 'runs', 'b', 'a 1'])
})

test('the one that has waited longest may stand, or be set aside', async () => {
  const { clock, queue, send } = rated({ rateLimit: perKey(), concurrency: 1 })
  void send('a 0', 'normal', { key: 'a' })
  await clock.advance(1)
  void send('runs', 'urgent', { key: 'r', ms: 30 })
  await clock.advance(1)
  void send('stands', 'normal', { key: 's' })
  await clock.advance(30)
  void send('runs too', 'urgent', { key: 't', ms: 30 })
  void send('a 1', 'normal', { key: 'a' })
  await clock.advance(5)
  expect(queue.getStatus().oldestWaitMsByPriority.normal).toBe(5)
  void send('stands too', 'normal', { key: 'u' })
  await clock.advance(5)
  expect(queue.getStatus().oldestWaitMsByPriority.normal).toBe(10)
  await clock.run()
})

test('a forecast across tiers counts by rank what is set aside', async () => {
  const rateLimit = starts({ maxDelayMs: 350 })
  const { clock, queue, send } = rated({ rateLimit, order: aging({ high: 0, normal: 0, low: 60_000 }) })
  for (let n = 0; n < 3; n++) void send(`${n}`, 'low')
  await clock.advance(1)
  expect(queue.offer('low', { priority: 'low' })).toBeDefined()
  expect(queue.offer('low', { priority: 'low' })).toBeUndefined()
  expect(queue.offer('high', { priority: 'high' })).toBeDefined()
  await clock.run()
})

test('with turns, the part of those set aside goes before it that does of those that stand', async () => {
  const { clock, send, submit } = rated({ rateLimit: perKey(), order: weighted({ high: 2, low: 1 }), concurrency: 1 })
  for (const name of ['a 0', 'a 1', 'a 2']) void send(name, 'high', { key: 'a' })
  await clock.advance(1)
  void send('runs', 'urgent', { key: 'r', ms: 20 })
  await clock.advance(1)
  for (const key of ['b', 'c', 'd', 'e']) void send(key, 'high', { key })
  const low = await submit('low', 'low', { key: 'f' })
  // Half of HIGH has its turns before the first one of LOW.
  expect(low.position()).toBe(3)
  await clock.run()
})
