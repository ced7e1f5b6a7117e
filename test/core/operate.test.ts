/**
 * What whoever runs a service asks of a queue, and does to it: health, a lame duck, what waits, and clearing it.
 */
import { CancelledError, type QueuedExecutorOptions, tokenBucket, type WaitingRequest } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { busy, gated, lost, turn, watch } from '../failures/support.ts'
import { unhandledIn } from '../laws/support/unhandled.ts'

afterEach(() => void vi.useRealTimers())

const well = { live: true, ready: true, reasons: [] }

describe('health()', () => {
  test('is well when it is idle, busy or full', async () => {
    const { queue } = gated({ maxQueueSize: 1 })
    expect(queue.health()).toEqual(well)
    for (let n = 0; n < 5; n++) queue.offer(`${n}`)
    expect(queue.getStatus().waiting).toBe(1)
    expect(queue.health()).toEqual(well)
    expect(JSON.parse(JSON.stringify(queue.health()))).toEqual(well)
  })

  test('is not ready while it is paused', () => {
    const { queue } = gated()
    queue.pause()
    expect(queue.health()).toEqual({ live: true, ready: false, reasons: ['paused'] })
    queue.resume()
    expect(queue.health()).toEqual(well)
  })

  test('is not live while every slot is stuck, and is again when one call settles', async () => {
    const { clock, gate, queue } = gated({ concurrency: 2, runTimeoutMs: 10 })
    for (const name of ['a', 'b']) void queue.execute(name).catch(() => {})
    await clock.advance(5)
    void queue.execute('c').catch(() => {})
    await clock.advance(5)
    expect(queue.health()).toEqual({ live: false, ready: false, reasons: ['stuck'] })
    await gate.finish('a')
    expect(queue.health()).toEqual(well)
  })

  test('is live with a substitute, and once it has closed', async () => {
    const { clock, queue } = gated({ runTimeoutMs: 10, onStuck: 'replace' })
    void queue.execute('a').catch(() => {})
    await clock.advance(10)
    expect(queue.health()).toEqual(well)
    const held = gated({ runTimeoutMs: 10 })
    void held.queue.execute('a').catch(() => {})
    await held.clock.advance(10)
    expect(held.queue.health().reasons).toEqual(['stuck'])
    await held.queue.close()
    expect(held.queue.health()).toEqual({ live: true, ready: false, reasons: ['closed'] })
  })

  test('says that it is closing', async () => {
    const { gate, queue } = await busy()
    const closed = queue.close()
    expect(queue.health()).toEqual({ live: true, ready: false, reasons: ['closing'] })
    await gate.finishAll()
    await closed
    expect(queue.health().reasons).toEqual(['closed'])
  })
})

describe('close({ lameDuckMs })', () => {
  test('is not ready, serves, and then closes', async () => {
    const { clock, gate, queue } = gated({ concurrency: 2 })
    const closed = watch(queue.close({ lameDuckMs: 100 }))
    expect(queue.health()).toEqual({ live: true, ready: false, reasons: ['lameDuck'] })
    expect(queue.getStatus().state).toBe('open')
    await clock.advance(99)
    const served = watch(queue.execute('late'))
    await turn()
    await gate.finish('late')
    expect(served.value).toBe('late')
    const running = watch(queue.execute('later'))
    await clock.advance(1)
    expect(queue.health().reasons).toEqual(['closing'])
    await expect(queue.execute('too late')).rejects.toMatchObject({ code: 'TRIAGE_QUEUE_CLOSED' })
    expect(closed.state).toBe('pending')
    await gate.finish('later')
    expect([running.value, closed.state, clock.timers]).toEqual(['later', 'fulfilled', 0])
  })

  test('of an idle queue, is idle meanwhile, and leaves no timer', async () => {
    const { clock, gate, queue } = gated()
    let idle = 0
    queue.on('idle', () => void idle++)
    const closed = watch(queue.close({ lameDuckMs: 100 }))
    await queue.idle()
    for (const name of ['a', 'b']) {
      void queue.execute(name)
      await turn()
      await gate.finish(name)
    }
    expect([idle, closed.state, clock.timers]).toEqual([2, 'pending', 1])
    await clock.advance(100)
    expect([closed.state, clock.timers, queue.getStatus().state]).toEqual(['fulfilled', 0, 'closed'])
  })

  test('counts graceMs from its end, and drops what waits only then', async () => {
    const { clock, queue } = await busy()
    const waits = watch(queue.execute('waits'))
    void queue.close({ lameDuckMs: 100, graceMs: 50, drain: false })
    await clock.advance(99)
    expect(waits.state).toBe('pending')
    await clock.advance(1)
    expect(waits.error).toMatchObject({ code: 'TRIAGE_CANCELLED', by: 'close' })
    expect(queue.getStatus().state).toBe('closing')
    await clock.advance(50)
    expect(queue.getStatus().state).toBe('closed')
  })

  test.each<[string, object, number]>([
    ['ends it at once', {}, 0],
    ['ends it at once where it says 0', { lameDuckMs: 0 }, 0],
    ['shortens it', { lameDuckMs: 30 }, 30],
    ['never lengthens it', { lameDuckMs: 500 }, 100],
  ])('a second call %s', async (_, options, closesAt) => {
    const { clock, queue } = gated()
    const closed = [watch(queue.close({ lameDuckMs: 100 })), watch(queue.close(options))]
    await clock.advance(Math.max(closesAt - 1, 0))
    if (closesAt > 0) expect(queue.getStatus().state).toBe('open')
    await clock.advance(1)
    expect(closed.map(({ state }) => state)).toEqual(['fulfilled', 'fulfilled'])
  })

  test('after close() is no way back', async () => {
    const { gate, queue } = await busy()
    void queue.close()
    const again = watch(queue.close({ lameDuckMs: 1_000 }))
    expect(queue.health().reasons).toEqual(['closing'])
    await gate.finishAll()
    expect(again.state).toBe('fulfilled')
  })

  test('of a paused queue stays paused, and goes on when it closes', async () => {
    const { clock, gate, queue } = gated()
    queue.pause()
    const end = watch(queue.execute('a'))
    const closed = watch(queue.close({ lameDuckMs: 100 }))
    expect(queue.health().reasons).toEqual(['paused', 'lameDuck'])
    await clock.advance(99)
    expect(gate.started).toEqual([])
    await clock.advance(1)
    await gate.finishAll()
    expect([end.value, closed.state]).toEqual(['a', 'fulfilled'])
  })

  test('lets blocked callers in, and ready() answer, until it closes', async () => {
    const { clock, gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'block' })
    const [waits, blocked] = [watch(queue.execute('waits')), watch(queue.execute('blocked'))]
    void queue.close({ lameDuckMs: 100 })
    await gate.finish('busy 0')
    await gate.finish('waits')
    expect(gate.started).toEqual(['busy 0', 'waits', 'blocked'])
    const [late, room] = [watch(queue.execute('late')), watch(queue.execute('room'))]
    const ready = watch(queue.ready())
    await clock.advance(100)
    expect([late.state, room.outcome, ready.outcome]).toEqual(['pending', 'TRIAGE_QUEUE_CLOSED', 'TRIAGE_QUEUE_CLOSED'])
    await gate.finishAll()
    expect([waits.state, blocked.state, late.state]).toEqual(['fulfilled', 'fulfilled', 'fulfilled'])
  })

  test('asked for and awaited inside a run waits for its end, and not for that run', async () => {
    const { clock, queue } = gated()
    const { QueuedExecutor } = await import('triage-queue')
    const inner = new QueuedExecutor((): Promise<string> => inner.close({ lameDuckMs: 100 }).then(() => 'closed'), {
      clock,
    })
    const end = watch(inner.execute(undefined))
    await clock.advance(99)
    expect([end.state, inner.health().reasons]).toEqual(['pending', ['lameDuck']])
    await clock.advance(1)
    expect([end.value, inner.getStatus().state]).toEqual(['closed', 'closed'])
    await queue.close()
  })

  test('keeps the process alive until it has closed', async () => {
    const clock = new VirtualClock()
    const kept: boolean[] = []
    const spied = {
      now: () => clock.now(),
      setTimeout: (callback: () => void, ms: number) => {
        const timer = clock.setTimeout(callback, ms)
        return { timer, ref: () => kept.push(true), unref: () => kept.push(false) }
      },
      clearTimeout: (handle: unknown) => clock.clearTimeout((handle as { timer: never }).timer),
    }
    const { queue } = gated({ clock: spied })
    void queue.close({ lameDuckMs: 100 })
    await turn()
    expect(kept).not.toContain(false)
    await clock.advance(100)
    expect(queue.getStatus().state).toBe('closed')
  })

  test('under fake timers', async () => {
    vi.useFakeTimers()
    const { QueuedExecutor } = await import('triage-queue')
    const queue = new QueuedExecutor(async (n: number) => n)
    const closed = watch(queue.close({ lameDuckMs: 5_000 }))
    await vi.advanceTimersByTimeAsync(4_999)
    await expect(queue.execute(1)).resolves.toBe(1)
    await vi.advanceTimersByTimeAsync(1)
    expect([closed.state, vi.getTimerCount()]).toEqual(['fulfilled', 0])
  })

  test.each([[-1], [Number.POSITIVE_INFINITY], [Number.NaN], ['5']])('%s is none', async (lameDuckMs) => {
    const { queue } = gated()
    await expect(queue.close({ lameDuckMs: lameDuckMs as number })).rejects.toThrow(
      "Option 'lameDuckMs': expected a finite",
    )
    expect(queue.health()).toEqual(well)
  })
})

describe('waiting()', () => {
  const names = (waiting: Iterable<WaitingRequest<string>>) => Array.from(waiting, ({ request }) => request)

  test('shows what waits, by priority, and what is put off or tried again', async () => {
    const retry = { name: 'again', delayMs: () => 50 }
    const { clock, gate, queue } = await busy({ retry })
    void queue.execute('low', { priority: 'low', metadata: { tenant: 'a' } })
    void queue.execute('later', { delayMs: 100 })
    void queue.execute('first', { id: 'mine', cost: 1 })
    void queue.execute('urgent', { priority: 'urgent' })
    await clock.advance(10)
    expect(names(queue.waiting())).toEqual(['urgent', 'first', 'low', 'later'])
    const [urgent, first, low, later] = [...queue.waiting()] as WaitingRequest<string>[]
    expect(urgent).toMatchObject({
      priority: 'urgent',
      state: 'waiting',
      attempt: 1,
      cost: 1,
      enqueuedAt: 0,
      waitMs: 10,
    })
    expect([urgent, first, low, later].map((each) => each?.position())).toEqual([0, 1, 2, undefined])
    expect([first?.id, low?.metadata, later?.delayMs, later?.waitMs]).toEqual(['mine', { tenant: 'a' }, 100, 0])
    expect(low?.id).toBe(queue.get(low?.id as string)?.id)
    await gate.fail('busy 0', new Error('once'))
    expect(names(queue.waiting())).toEqual(['first', 'low', 'busy 0', 'later'])
    expect([...queue.waiting()].map(({ state, attempt }) => [state, attempt]).at(-2)).toEqual(['retrying', 2])
    const { waiting, retrying } = queue.getStatus()
    expect(waiting + retrying).toBe(4)
  })

  test('can not be changed by it', async () => {
    const { queue } = await busy()
    void queue.execute('a')
    const [view] = [...queue.waiting()] as [WaitingRequest<string>]
    expect(() => Object.assign(view, { priority: 'urgent' })).toThrow(TypeError)
    expect(['cancel', 'setPriority', 'result'].filter((name) => name in view)).toEqual([])
  })

  test('may be changed while it is read: what has gone is left out, what comes is not shown', async () => {
    const { gate, queue } = await busy()
    const handles = await Promise.all(['a', 'b', 'c', 'd'].map((name) => queue.submit(name)))
    const seen: string[] = []
    for (const { request } of queue.waiting()) {
      seen.push(request)
      void queue.execute(`after ${request}`)
      if (request === 'a') handles[1]?.cancel()
      if (request === 'c') await gate.finish('busy 0')
    }
    expect(seen).toEqual(['a', 'c', 'd'])
  })

  test('shows nobody who is not admitted, or runs', async () => {
    const { queue } = await busy({ maxQueueSize: 1, whenFull: 'block' })
    void queue.execute('waits')
    void queue.execute('blocked').catch(() => {})
    expect(names(queue.waiting())).toEqual(['waits'])
  })

  test('shows a shared request once', async () => {
    const { queue } = await busy()
    for (let n = 0; n < 3; n++) void queue.execute('a', { id: 'x' })
    expect(names(queue.waiting())).toEqual(['a'])
  })
})

describe('clear()', () => {
  test('shows and ends those, too, that are set aside since there is no token for them', async () => {
    const { queue } = gated({ concurrency: 4, rateLimit: tokenBucket({ perSecond: 1, burst: 1, over: 'wait' }) })
    const all = ['a', 'b', 'c'].map((name) => watch(queue.execute(name)))
    await turn()
    expect([...queue.waiting()].map(({ request, state }) => [request, state])).toEqual([
      ['b', 'waiting'],
      ['c', 'waiting'],
    ])
    expect(queue.clear()).toBe(2)
    await turn()
    expect(all.map(({ state }) => state)).toEqual(['pending', 'rejected', 'rejected'])
    expect(queue.getStatus().waiting).toBe(0)
  })

  const full = async (options: QueuedExecutorOptions<string> = {}) => {
    const made = await busy(options)
    const ends = ['a', 'b', 'c', 'd'].map((name, n) =>
      watch(made.queue.execute(name, { priority: n % 2 === 0 ? 'low' : 'high', metadata: n })),
    )
    return { ...made, ends }
  }

  test('ends all that waits, and nothing that runs', async () => {
    const { blockers, gate, queue, ends } = await full()
    expect(queue.clear()).toBe(4)
    await turn()
    expect(ends.map(({ error }) => error)).toEqual(
      Array.from({ length: 4 }, () =>
        expect.objectContaining({ code: 'TRIAGE_CANCELLED', by: 'clear', started: false }),
      ),
    )
    expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 1, totals: { cancelled: 4 } })
    await gate.finishAll()
    expect([blockers[0]?.state, queue.clear()]).toEqual(['fulfilled', 0])
  })

  test('ends those that are asked for, with a reason', async () => {
    const { queue, ends } = await full()
    expect(queue.clear(({ priority, metadata }) => priority === 'low' && metadata === 2, 'too much')).toBe(1)
    await turn()
    expect(ends.map(({ state }) => state)).toEqual(['pending', 'pending', 'rejected', 'pending'])
    expect(ends[2]?.error).toMatchObject({ reason: 'too much', cause: 'too much', by: 'clear' })
    expect(ends[2]?.error).toBeInstanceOf(CancelledError)
  })

  test('ends nothing when the question throws, is asynchronous, or is none', async () => {
    const { queue, ends } = await full()
    const mine = new Error('mine')
    let asked = 0
    expect(() => queue.clear(() => (asked++ === 2 ? Promise.reject(mine) : true) as never)).toThrow("Option 'clear'")
    expect(() =>
      queue.clear(({ request }) => {
        if (request === 'c') throw mine
        return true
      }),
    ).toThrow(mine)
    expect(() => queue.clear('all' as never)).toThrow("Option 'clear': expected a function, got 'all'")
    await turn()
    expect(ends.every(({ state }) => state === 'pending')).toBe(true)
    expect(queue.getStatus().waiting).toBe(4)
  })

  test('ends what is put off, comes after others, or is tried again', async () => {
    const retry = { name: 'again', delayMs: () => 50 }
    const { clock, gate, queue } = await busy({ retry })
    const never = new Promise(() => {})
    const ends = [watch(queue.execute('later', { delayMs: 100 })), watch(queue.execute('after', { after: [never] }))]
    await gate.fail('busy 0', new Error('once'))
    expect(queue.clear()).toBe(3)
    await clock.advance(1_000)
    expect(ends.map(({ outcome }) => outcome)).toEqual(['TRIAGE_CANCELLED', 'TRIAGE_CANCELLED'])
    expect(queue.getStatus()).toMatchObject({ waiting: 0, retrying: 0, running: 0, totals: { cancelled: 3 } })
    expect(clock.timers).toBe(0)
  })

  test('ends a shared request for all who share it, and what comes after it with it', async () => {
    const { queue } = await busy()
    const all = [1, 2, 3].map(() => watch(queue.execute('a', { id: 'x' })))
    const after = watch(queue.execute('b', { after: [queue.get('x') as never] }))
    expect(queue.clear(({ id }) => id === 'x')).toBe(1)
    await turn()
    expect(all.map(({ error }) => (error as CancelledError).by)).toEqual(['clear', 'clear', 'clear'])
    expect(after.error).toMatchObject({ by: 'after', cause: { by: 'clear' } })
  })

  test('lets blocked callers in, and leaves those alone that a schema looks at', async () => {
    const schema = {
      '~standard': {
        version: 1 as const,
        vendor: 'test',
        validate: (value: unknown) => (value === 'checked' ? new Promise<never>(() => {}) : { value: value as string }),
      },
    }
    const { queue } = await busy({ maxQueueSize: 1, whenFull: 'block', schema })
    const ends = ['waits', 'blocked', 'checked'].map((name) => watch(queue.execute(name)))
    expect(queue.clear()).toBe(1)
    await turn()
    expect(ends.map(({ state }) => state)).toEqual(['rejected', 'pending', 'pending'])
    expect(queue.getStatus()).toMatchObject({ waiting: 1, blocked: 0, checking: 1 })
  })

  test('while it closes ends what it would still finish', async () => {
    const { gate, queue, ends } = await full()
    const closed = watch(queue.close())
    expect(queue.clear()).toBe(4)
    await gate.finishAll()
    expect([closed.state, ends.every(({ outcome }) => outcome === 'TRIAGE_CANCELLED')]).toEqual(['fulfilled', true])
  })

  test('does what listeners leave it to do', async () => {
    const { queue } = await full()
    let ended = 0
    queue.on('cancelled', () => {
      if (ended++ === 0) queue.clear()
      void queue.execute('new').catch(() => {})
    })
    const cleared = queue.clear()
    await turn()
    expect([cleared, ended]).toEqual([1, 4])
    expect([...queue.waiting()].map(({ request }) => request)).toEqual(['new', 'new', 'new', 'new'])
    expect(lost(queue.getStatus())).toBe(0)
  })

  test('leaves nobody with an unhandled rejection who did not ask for a promise', async () => {
    const unheard = await unhandledIn(async () => {
      const { queue } = await busy()
      for (let n = 0; n < 3; n++) queue.offer(`${n}`)
      const handle = await queue.submit('a')
      queue.clear()
      await turn()
      await expect(handle.result).rejects.toMatchObject({ by: 'clear' })
    })
    expect(unheard).toEqual([])
  })

  test('tells the order of each', async () => {
    const left: unknown[] = []
    const order = {
      name: 'mine',
      acrossTiers: false,
      rank: () => 1,
      left: ({ request }: { request: unknown }) => left.push(request),
    }
    const { queue } = await full({ order })
    queue.clear(({ priority }) => priority === 'high')
    expect(left).toEqual(['b', 'd'])
  })
})

describe('CancelledError.by', () => {
  test.each<[string, (made: Awaited<ReturnType<typeof busy>>) => Promise<unknown>]>([
    [
      'handle',
      async ({ queue }) => {
        const handle = await queue.submit('a')
        handle.cancel()
        return handle.result
      },
    ],
    [
      'handle',
      async ({ queue }) => {
        void queue.execute('a', { id: 'x' }).catch(() => {})
        const joined = await queue.submit('a', { id: 'x' })
        joined.cancel('mine')
        return joined.result
      },
    ],
    [
      'id',
      async ({ queue }) => {
        const end = queue.execute('a', { id: 'x' })
        queue.cancel('x')
        return end
      },
    ],
    [
      'close',
      async ({ queue }) => {
        const end = queue.execute('a')
        void queue.close({ drain: false })
        return end
      },
    ],
    ['after', ({ queue }) => queue.execute('a', { after: [Promise.reject(new Error('before'))] })],
    [
      'order',
      async ({ clock, queue }) => {
        const end = queue.execute('a', { delayMs: 5, metadata: 'throws' })
        end.catch(() => {})
        await clock.advance(5)
        return end
      },
    ],
  ])('%s', async (by, cancel) => {
    const order = {
      name: 'mine',
      acrossTiers: false,
      rank: ({ metadata }: { metadata: unknown }) => {
        if (metadata === 'throws') throw new Error('mine')
        return 1
      },
    }
    const error = await cancel(await busy({ order })).catch((error) => error)
    expect(error).toMatchObject({ code: 'TRIAGE_CANCELLED', by })
  })

  test('of a run that the grace has cut off', async () => {
    const { blockers, clock, queue } = await busy()
    void queue.close({ graceMs: 10 })
    await clock.advance(10)
    expect(blockers[0]?.error).toMatchObject({ by: 'close', started: true })
  })
})
