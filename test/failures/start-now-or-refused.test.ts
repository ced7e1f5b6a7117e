/**
 * `maxQueueSize: 'none'`: a request that comes in starts in the dispatch of its burst, and one that could not is refused.
 */
import fc from 'fast-check'
import {
  aging,
  circuitBreaker,
  codel,
  earliestDeadlineFirst,
  type Guard,
  type Priority,
  priorities,
  QueuedExecutor,
  type QueuedExecutorOptions,
  QueueFullError,
  type RequestOptions,
  tokenBucket,
} from 'triage-queue'
import { describe, expect, test } from 'vitest'
import { gated, turn, watch } from './support.ts'

/** One in the same burst as the others. */
function send(queue: QueuedExecutor<string, unknown>, name: string, options: RequestOptions = {}) {
  return watch(queue.execute(name, options))
}

const codes = (all: { outcome: unknown }[]) => all.map(({ outcome }) => outcome)
const IN = 'pending'
const FULL = 'TRIAGE_QUEUE_FULL'

describe('nothing may wait', () => {
  test.each([1, 2, 3, 4])('%i slots are for the first of a burst, whatever comes later', async (concurrency) => {
    const { gate, queue } = gated({ concurrency, maxQueueSize: 'none', debug: true })
    const all = (['low', 'normal', 'urgent', 'high', 'urgent'] as const).map((priority, i) =>
      send(queue, `${i} ${priority}`, { priority }),
    )
    // They have their slots, and count as running, before they are called.
    expect(queue.getStatus()).toMatchObject({
      ...{ waiting: 0, running: concurrency, activeWorkers: concurrency, maxQueueSize: 0 },
      waitingByPriority: { urgent: 0, high: 0, normal: 0, low: 0 },
    })
    await turn()
    expect(codes(all)).toEqual(all.map((_, i) => (i < concurrency ? IN : FULL)))
    const inOrder = ['2 urgent', '3 high', '1 normal', '0 low'].filter((name) => Number(name[0]) < concurrency)
    expect(gate.started).toEqual(inOrder)
    expect(queue.getStatus()).toMatchObject({ waiting: 0, running: concurrency, totals: { rejected: 5 - concurrency } })
    await gate.finishAll()
    expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0, activeWorkers: 0 })
  })

  test('the refusal says so, and so does that of a priority of its own', async () => {
    const { queue } = gated({ maxQueueSize: 'none' })
    send(queue, 'a')
    const refused = await queue.execute('b', { id: 'mine' }).catch((error) => error)
    expect(refused).toBeInstanceOf(QueueFullError)
    expect(refused).toMatchObject({
      message: expect.stringContaining("No slot is free, and nothing may wait (maxQueueSize is 'none')"),
      ...{ bound: 'total', size: 0, maxSize: 0, requestId: 'mine' },
      explain: {
        ...{ rule: 'maxQueueSize', compared: { bound: 'total', size: 0, maxSize: 0 } },
        wouldAdmit: 'one for which a slot is free',
      },
    })
    const { queue: other } = gated({ maxQueueSize: { low: 'none' } })
    send(other, 'a', { priority: 'low' })
    await expect(other.execute('b', { priority: 'low' })).rejects.toMatchObject({
      message: expect.stringContaining("nothing may wait for priority 'low' (maxQueueSize.low is 'none')"),
      ...{ bound: 'priority', size: 0, maxSize: 0 },
    })
  })

  test('what is to start later is refused, also where callers wait for a slot, or a guard delays it', async () => {
    for (const whenFull of ['reject', 'shed', 'block'] as const) {
      const { clock, queue } = gated({ maxQueueSize: 'none', whenFull })
      const later: [string, RequestOptions][] = [
        ['a', { delayMs: 5 }],
        ['b', { startAt: new Date(Date.now() + 60_000) }],
        ['c', { after: [Promise.resolve()] }],
      ]
      for (const [name, options] of later) {
        await expect(queue.execute(name, options)).rejects.toMatchObject({
          message: "It is to start later, and nothing may wait (maxQueueSize is 'none')",
          explain: { wouldAdmit: 'one that starts at once' },
          retryAfterMs: undefined,
        })
      }
      const now = send(queue, 'now', { delayMs: 0 })
      await clock.advance(0)
      expect(now.outcome).toBe(IN)
    }
  })

  test('what a guard would delay is refused by that guard, which says when and takes nothing', async () => {
    const probes: boolean[] = []
    const delays: Guard = {
      name: 'delays',
      delayMs: ({ request, probe }) => {
        probes.push(probe)
        return request === 'slow' ? 4.2 : 0
      },
    }
    const { queue } = gated({ concurrency: 2, maxQueueSize: { urgent: 'none' }, rateLimit: delays })
    await expect(queue.execute('slow', { priority: 'urgent' })).rejects.toMatchObject({
      code: 'TRIAGE_RATE_LIMITED',
      retryAfterMs: 5,
      explain: {
        rule: 'delays',
        compared: { delayMs: 4.2, maxQueueSize: 'none' },
        wouldAdmit: 'one that may start at once',
      },
    })
    expect(probes).toEqual([true])
    send(queue, 'quick', { priority: 'urgent' })
    send(queue, 'slow')
    expect(probes).toEqual([true, true, false, false])
    expect(queue.getStatus()).toMatchObject({ running: 1, waiting: 1 })
  })

  test.each(['none', { low: 'none' }] as const)(
    'a token that comes later is waited for outside, and not taken by each try (maxQueueSize %o)',
    async (maxQueueSize) => {
      const rateLimit = tokenBucket({ perSecond: 10, burst: 1, over: 'wait' })
      const { clock, gate, queue } = gated({ concurrency: 4, maxQueueSize, rateLimit })
      const offers = (async () => {
        for (let sent = 0, tries = 1; sent < 3; tries++) {
          const handle = queue.offer(`offer ${sent}`, { priority: 'low' })
          expect(tries).toBeLessThan(10)
          if (handle === undefined) await queue.ready('low')
          else sent++
        }
      })()
      const mapped = (async () => {
        const answers: unknown[] = []
        for await (const answer of queue.map(['map 0', 'map 1'], { priority: 'low' })) answers.push(answer)
        return answers
      })()
      for (let at = 0; at < 500; at += 50) {
        await clock.advance(50)
        await gate.finishAll()
      }
      await offers
      expect(await mapped).toHaveLength(2)
      // One in each tenth of a second: no token was lost.
      expect(gate.started).toHaveLength(5)
    },
  )

  test('it never tells that it is full', async () => {
    const { queue } = gated({ maxQueueSize: 'none' })
    let told = 0
    queue.on('full', () => told++)
    send(queue, 'a')
    send(queue, 'b')
    await turn()
    expect(told).toBe(0)
  })

  test('one that has its slot keeps its priority, and one that joins it shares its run', async () => {
    const { gate, queue } = gated({ concurrency: 2, maxQueueSize: 'none', debug: true })
    const request = await queue.submit('a', { priority: 'low', id: 'a' })
    expect(request.state).toBe('running')
    const handles = [queue.offer('b', { priority: 'low', id: 'b' }), queue.offer('b', { priority: 'urgent', id: 'b' })]
    expect(handles.map((handle) => handle?.priority)).toEqual(['low', 'low'])
    expect(handles[0]?.setPriority('urgent')).toBe(false)
    expect(handles[0]?.setPriority('low')).toBe(true)
    await turn()
    expect(gate.started).toEqual(['a', 'b'])
  })

  test('10,000 in one burst have 10,000 slots, and one more has none', async () => {
    for (const more of [{}, { reserve: { urgent: 1, low: 1 } }, { maxQueueSize: { normal: 'none' } as const }]) {
      const { gate, queue } = gated({ concurrency: 10_002, maxQueueSize: 'none', ...more })
      const reserved = 'reserve' in more ? 0 : 2
      const all = Array.from({ length: 10_001 + reserved }, (_, i) => send(queue, `${i}`))
      await turn()
      expect(gate.started).toHaveLength(10_000 + reserved)
      expect(codes(all).filter((code) => code === FULL)).toHaveLength(1)
      expect(queue.getStatus().waiting).toBe(0)
    }
  })
})

describe('a priority in which nothing may wait', () => {
  test.each([1, 2, 3, 4])('keeps its slot when more urgent ones come later in the burst (%i slots)', async (slots) => {
    const { gate, queue } = gated({ concurrency: slots, maxQueueSize: { total: 2, low: 'none' }, debug: true })
    const low = Array.from({ length: slots + 1 }, (_, i) => send(queue, `low ${i}`, { priority: 'low' }))
    const urgent = [0, 1, 2].map((i) => send(queue, `urgent ${i}`, { priority: 'urgent' }))
    expect(queue.getStatus()).toMatchObject({ waiting: 2, running: slots })
    await turn()
    expect(codes(low)).toEqual([...Array(slots).fill(IN), FULL])
    expect(codes(urgent)).toEqual([IN, IN, FULL])
    expect(gate.started).toEqual(low.slice(0, slots).map((_, i) => `low ${i}`))
    await gate.finish('low 0')
    expect(gate.started.at(-1)).toBe('urgent 0')
    await gate.finishAll()
    expect(gate.started.at(-1)).toBe('urgent 1')
  })

  test('has no slot that another one of the burst was promised, or that its order gives to another', async () => {
    const { gate, queue } = gated({ concurrency: 2, maxQueueSize: { low: 'none' }, debug: true })
    const all = (['normal', 'low', 'low'] as const).map((priority, i) => send(queue, `${i}`, { priority }))
    const high = send(queue, 'high', { priority: 'high' })
    await turn()
    expect(codes([...all, high])).toEqual([IN, IN, FULL, IN])
    // Of those who may wait, the more urgent one is first.
    expect(gate.started).toEqual(['high', '1'])
    expect(queue.getStatus().waitingByPriority).toMatchObject({ normal: 1 })
  })

  test('is no priority to leave for one that has its slot, nor by a caller who joins it', async () => {
    const { gate, queue } = gated({ concurrency: 2, maxQueueSize: { total: 1, low: 'none' }, debug: true })
    const low = queue.offer('low', { priority: 'low', id: 'low' })
    queue.offer('low', { priority: 'high', id: 'low' })
    expect(low?.setPriority('urgent')).toBe(false)
    expect(low?.priority).toBe('low')
    for (const name of ['a', 'b', 'c']) send(queue, name)
    expect(queue.getStatus()).toMatchObject({ waiting: 1, running: 2, totals: { rejected: 1 } })
    await turn()
    expect(gate.started).toEqual(['a', 'low'])
  })

  test('is displaced by nobody, and displaces nobody', async () => {
    const options = { maxQueueSize: { total: 1, low: 'none', high: 'none' }, whenFull: 'shed', debug: true } as const
    const { gate, queue } = gated(options)
    const low = send(queue, 'low', { priority: 'low' })
    const normal = send(queue, 'normal')
    const others = [send(queue, 'urgent', { priority: 'urgent' }), send(queue, 'high', { priority: 'high' })]
    await turn()
    expect(codes([low, normal, ...others])).toEqual([IN, 'TRIAGE_SHED', IN, FULL])
    expect(gate.started).toEqual(['low'])
  })

  test('nobody comes to it who waits, and who waits is not held back by its blocked callers', async () => {
    const { gate, queue } = gated({ maxQueueSize: { total: 2, low: 'none' }, whenFull: 'block', debug: true })
    send(queue, 'runs')
    await turn()
    const low = send(queue, 'low', { priority: 'low' })
    const high = queue.offer('high', { priority: 'high' })
    await turn()
    expect(queue.getStatus()).toMatchObject({ waiting: 1, blockedByPriority: { low: 1 } })
    expect(high?.setPriority('low')).toBe(false)
    await gate.finish('runs')
    await gate.finish('high')
    expect(gate.started).toEqual(['runs', 'high', 'low'])
    expect(low.outcome).toBe(IN)
  })
})

describe('with cost and reserved slots', () => {
  test('one that takes several is in when they are free, and nobody takes them from it', async () => {
    const { gate, queue } = gated({ concurrency: 4, maxQueueSize: 'none', debug: true })
    const all = [1, 2, 2, 1, 1].map((cost, i) => send(queue, `${i}`, { cost, priority: i === 3 ? 'urgent' : 'low' }))
    expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 3, activeWorkers: 4 })
    await turn()
    expect(codes(all)).toEqual([IN, IN, FULL, IN, FULL])
    expect(gate.started).toEqual(['3', '0', '1'])
  })

  test('one that waits for several slots is passed by what is more urgent, and by nobody else', async () => {
    const { gate, queue } = gated({ concurrency: 3, maxQueueSize: { urgent: 'none', low: 'none' }, debug: true })
    send(queue, 'runs')
    await turn()
    const all = [
      send(queue, 'wide', { cost: 3 }),
      send(queue, 'low', { priority: 'low' }),
      send(queue, 'urgent', { priority: 'urgent', cost: 2 }),
      send(queue, 'too many', { priority: 'urgent' }),
    ]
    await turn()
    expect(codes(all)).toEqual([IN, FULL, IN, FULL])
    expect(gate.started).toEqual(['runs', 'urgent'])
    await gate.finish('urgent')
    await gate.finish('runs')
    expect(gate.started).toEqual(['runs', 'urgent', 'wide'])
  })

  test('a seat that is taken leaves a wide one waiting that came after it, although that goes first', async () => {
    const { gate, queue } = gated({ concurrency: 2, maxQueueSize: { low: 'none' }, debug: true })
    send(queue, 'low', { priority: 'low' })
    send(queue, 'wide', { priority: 'urgent', cost: 2 })
    await turn()
    expect(gate.started).toEqual(['low'])
    await gate.finish('low')
    expect(gate.started).toEqual(['low', 'wide'])
  })

  test('what is reserved for others is no free slot; what is reserved for it is', async () => {
    const { gate, queue } = gated({ concurrency: 2, reserve: { urgent: 1 }, maxQueueSize: 'none', debug: true })
    const order = ['low', 'low', 'urgent', 'urgent'] as const
    const all = order.map((priority, i) => send(queue, `${i}`, { priority }))
    await turn()
    expect(codes(all)).toEqual([IN, FULL, IN, FULL])
    expect(gate.started).toEqual(['2', '0'])
  })

  test('a slot is no longer free when another one of the burst is to start in it, which might wait', async () => {
    const options = { concurrency: 4, reserve: { urgent: 1 }, maxQueueSize: { low: 'none' }, debug: true } as const
    const { gate, queue } = gated(options)
    const order = ['normal', 'low', 'normal', 'low', 'normal'] as const
    const all = order.map((priority, i) => send(queue, `${i}`, { priority }))
    await turn()
    expect(codes(all)).toEqual([IN, IN, IN, FULL, IN])
    expect(gate.started).toEqual(['0', '2', '1'])
    expect(queue.getStatus().waiting).toBe(1)
  })

  test('one that is back for another attempt, and may not start, keeps out only those who may not either', async () => {
    const retry = { name: 'again', delayMs: () => 5 }
    const options = { concurrency: 2, reserve: { urgent: 1 }, maxQueueSize: 'none', retry, debug: true } as const
    const { clock, gate, queue } = gated(options)
    send(queue, 'a', { priority: 'low' })
    await turn()
    await gate.fail('a', new Error('once'))
    send(queue, 'b', { priority: 'low' })
    await clock.advance(5)
    expect(queue.getStatus()).toMatchObject({ waiting: 0, retrying: 1, running: 1 })
    const all = [send(queue, 'c', { priority: 'low' }), send(queue, 'd', { priority: 'urgent' })]
    await turn()
    expect(codes(all)).toEqual([FULL, IN])
    expect(gate.started).toEqual(['a', 'b', 'd'])
    await gate.finish('b')
    expect(gate.started).toEqual(['a', 'b', 'd', 'a'])
  })

  test('one that is back, and waits for several slots, is not passed by a newcomer of its priority', async () => {
    const options = {
      concurrency: 2,
      maxQueueSize: 'none',
      retry: { name: 'again', delayMs: () => 5 },
      debug: true,
    } as const
    const { clock, gate, queue } = gated(options)
    send(queue, 'wide', { cost: 2 })
    await turn()
    await gate.fail('wide', new Error('once'))
    send(queue, 'runs')
    await clock.advance(5)
    const all = [
      send(queue, 'same'),
      send(queue, 'low', { priority: 'low' }),
      send(queue, 'high', { priority: 'high' }),
    ]
    await turn()
    expect(codes(all)).toEqual([FULL, FULL, IN])
    for (const name of ['high', 'runs']) await gate.finish(name)
    expect(gate.started).toEqual(['wide', 'runs', 'high', 'wide'])
  })

  /** Does a set of requests start, in this order, on these slots? Written from the words of the options. */
  function allStart(set: readonly Sent[], slots: number, floors: Floors, lends: boolean): boolean {
    const running = { urgent: 0, high: 0, normal: 0, low: 0 }
    let free = slots
    return set.every(({ priority, cost }) => {
      const others = priorities.filter((other) => other !== priority)
      const kept = lends ? 0 : others.reduce((sum, p) => sum + Math.max((floors[p] ?? 0) - running[p], 0), 0)
      const fits = free - kept >= cost
      free -= cost
      running[priority] += cost
      return fits
    })
  }

  interface Sent {
    readonly priority: Priority
    readonly cost: number
  }
  type Floors = { readonly [P in Priority]?: number }

  test('a newcomer is in exactly if it starts beside all that came before, in whatever order', async () => {
    const sent = fc.record({ priority: fc.constantFrom(...priorities), cost: fc.integer({ min: 1, max: 3 }) })
    const floors = fc.constantFrom<Floors>({}, { urgent: 1 }, { low: 2 }, { urgent: 1, normal: 1 }, { high: 2, low: 1 })
    const bursts = fc.array(sent, { minLength: 1, maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(
        bursts,
        floors,
        fc.integer({ min: 3, max: 6 }),
        fc.boolean(),
        async (burst, reserve, slots, lends) => {
          // A priority that could never run is refused when the executor is made.
          const reserved = priorities.reduce((sum, p) => sum + (reserve[p] ?? 0), 0)
          fc.pre(lends || reserved < slots)
          const options = {
            concurrency: slots,
            reserve,
            lendReserve: lends,
            maxQueueSize: 'none',
            debug: true,
          } as const
          const { gate, queue } = gated(options)
          const came: Sent[] = []
          const expected = burst.map((each) => {
            const most =
              slots -
              (lends ? 0 : priorities.reduce((sum, p) => sum + (p === each.priority ? 0 : (reserve[p] ?? 0)), 0))
            if (each.cost > 1 && each.cost > most) return 'TRIAGE_INVALID_OPTIONS'
            if (!allStart([...came, each], slots, reserve, lends)) return FULL
            came.push(each)
            return IN
          })
          // What can start in the order of coming can start in that of the priorities.
          const byPriority = [...came].sort((a, b) => priorities.indexOf(a.priority) - priorities.indexOf(b.priority))
          expect(allStart(byPriority, slots, reserve, lends)).toBe(true)
          const all = burst.map((each, i) => send(queue, `${i}`, each))
          await turn()
          expect(codes(all)).toEqual(expected)
          expect(gate.started).toHaveLength(came.length)
          expect(queue.getStatus().waiting).toBe(0)
          await gate.finishAll()
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('while a newcomer would displace another one of its burst (shed)', () => {
  test('it takes the slot of the youngest of the lowest priority, and only that of its own burst', async () => {
    const { gate, queue } = gated({ concurrency: 2, maxQueueSize: 'none', whenFull: 'shed', debug: true })
    const all = (['low', 'low', 'high', 'urgent', 'urgent'] as const).map((priority, i) =>
      send(queue, `${i}`, { priority }),
    )
    await turn()
    expect(codes(all)).toEqual(['TRIAGE_SHED', 'TRIAGE_SHED', 'TRIAGE_SHED', IN, IN])
    expect(gate.started).toEqual(['3', '4'])
    const late = send(queue, 'late', { priority: 'urgent' })
    await turn()
    expect(late.outcome).toBe(FULL)
  })

  test('it does so only where that gives it all its slots', async () => {
    const { gate, queue } = gated({ concurrency: 3, maxQueueSize: 'none', whenFull: 'shed', debug: true })
    const all = [
      send(queue, 'wide', { cost: 2, priority: 'low' }),
      send(queue, 'low', { priority: 'low' }),
      send(queue, 'two', { cost: 2, priority: 'normal' }),
      send(queue, 'one', { priority: 'normal' }),
      send(queue, 'later', { priority: 'urgent', delayMs: 5 }),
      send(queue, 'three', { cost: 2, priority: 'urgent' }),
    ]
    await turn()
    // Without the youngest, 'low', one slot is free: too few for 'two'. 'one' has it; and 'three' has those of 'wide'.
    expect(codes(all)).toEqual(['TRIAGE_SHED', 'TRIAGE_SHED', FULL, IN, FULL, IN])
    expect(gate.started).toEqual(['three', 'one'])
  })

  test('it does not take what is reserved for the one that it would displace', async () => {
    const options = {
      concurrency: 2,
      reserve: { low: 1 },
      whenFull: 'shed',
      maxQueueSize: 'none',
      debug: true,
    } as const
    const { queue } = gated(options)
    const all = (['low', 'normal', 'urgent'] as const).map((priority, i) => send(queue, `${i}`, { priority }))
    await turn()
    expect(codes(all)).toEqual([IN, IN, FULL])
  })

  test('paused, nobody is displaced', async () => {
    const { queue } = gated({ maxQueueSize: 'none', whenFull: 'shed', debug: true })
    const low = send(queue, 'low', { priority: 'low' })
    queue.pause()
    const urgent = send(queue, 'urgent', { priority: 'urgent' })
    await turn()
    expect(codes([low, urgent])).toEqual([IN, FULL])
  })
})

describe('while callers wait for a slot (block)', () => {
  test('it is a semaphore with priorities', async () => {
    const { gate, queue } = gated({ concurrency: 2, maxQueueSize: 'none', whenFull: 'block', debug: true })
    const order = ['low', 'low', 'low', 'normal', 'urgent'] as const
    const all = order.map((priority, i) => send(queue, `${i} ${priority}`, { priority }))
    await turn()
    expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 2, blocked: 3 })
    expect(queue.offer('offered', { priority: 'urgent' })).toBeUndefined()
    for (const name of ['0 low', '1 low', '4 urgent', '3 normal', '2 low']) await gate.finish(name)
    expect(gate.started).toEqual(['0 low', '1 low', '4 urgent', '3 normal', '2 low'])
    expect(codes(all)).toEqual(Array(5).fill('fulfilled'))
    expect(gate.mostRunning).toBe(2)
  })

  test('ready() resolves when a slot is free, for a priority that may have it', async () => {
    const { gate, queue } = gated({ concurrency: 2, maxQueueSize: 'none', reserve: { urgent: 1 }, debug: true })
    send(queue, 'a')
    await turn()
    const [urgent, low] = [watch(queue.ready('urgent')), watch(queue.ready('low'))]
    await turn()
    expect([urgent.state, low.state]).toEqual(['fulfilled', 'pending'])
    await gate.finish('a')
    expect(low.state).toBe('fulfilled')
    queue.pause()
    const paused = watch(queue.ready('low'))
    await turn()
    expect(paused.state).toBe('pending')
    queue.resume()
    await turn()
    expect(paused.state).toBe('fulfilled')
  })

  test('who may have a slot that is kept for it does not wait behind those who may not', async () => {
    const options = {
      concurrency: 2,
      maxQueueSize: 'none',
      whenFull: 'block',
      reserve: { low: 1 },
      debug: true,
    } as const
    const { gate, queue } = gated(options)
    for (const name of ['a', 'b']) send(queue, name, { priority: 'urgent' })
    await turn()
    expect(gate.started).toEqual(['a'])
    send(queue, 'low', { priority: 'low' })
    await turn()
    expect(gate.started).toEqual(['a', 'low'])
    await gate.finish('low')
    expect(gate.started).toEqual(['a', 'low'])
    await gate.finish('a')
    expect(gate.started).toEqual(['a', 'low', 'b'])
  })

  test('nor behind those for whom there is no room in the queue', async () => {
    const maxQueueSize = { total: 1, low: 'none' } as const
    const { gate, queue } = gated({ concurrency: 2, maxQueueSize, whenFull: 'block', reserve: { low: 1 }, debug: true })
    for (const name of ['runs', 'waits', 'blocked']) {
      send(queue, name)
      await turn()
    }
    expect(queue.getStatus()).toMatchObject({ running: 1, waiting: 1, blocked: 1 })
    send(queue, 'low', { priority: 'low' })
    await turn()
    expect(gate.started).toEqual(['runs', 'low'])
    expect(queue.getStatus()).toMatchObject({ waiting: 1, blocked: 1 })
  })

  test('one that takes several comes in when all of them are free, and nobody passes it', async () => {
    const { gate, queue } = gated({ concurrency: 2, maxQueueSize: 'none', whenFull: 'block', debug: true })
    for (const name of ['a', 'b']) send(queue, name)
    await turn()
    send(queue, 'wide', { cost: 2 })
    send(queue, 'c')
    await gate.finish('a')
    expect(gate.started).toEqual(['a', 'b'])
    await gate.finish('b')
    expect(gate.started).toEqual(['a', 'b', 'wide'])
    await gate.finish('wide')
    expect(gate.started).toEqual(['a', 'b', 'wide', 'c'])
  })

  test('what map() pulls waits for its slot', async () => {
    const queue = new QueuedExecutor(async (n: number) => n, { concurrency: 2, maxQueueSize: 'none', debug: true })
    const found: number[] = []
    for await (const n of queue.map([1, 2, 3, 4, 5])) found.push(n)
    expect(found).toEqual([1, 2, 3, 4, 5])
  })
})

describe('something happens in the very burst', () => {
  test('a pause puts the start off, admits nobody, and takes nothing away', async () => {
    const { gate, queue } = gated({ concurrency: 2, maxQueueSize: 'none', debug: true })
    const first = send(queue, 'first', { priority: 'low' })
    queue.pause()
    const second = send(queue, 'second', { priority: 'urgent' })
    await turn()
    expect(codes([first, second])).toEqual([IN, FULL])
    expect(gate.started).toEqual([])
    expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 1 })
    queue.resume()
    const [third, fourth] = [send(queue, 'third'), send(queue, 'fourth', { priority: 'urgent' })]
    await turn()
    expect(gate.started).toEqual(['third', 'first'])
    expect(codes([first, third, fourth])).toEqual([IN, IN, FULL])
  })

  test('fewer slots put the start off: those that came in have the next ones', async () => {
    const { gate, queue } = gated({ concurrency: 3, maxQueueSize: { low: 'none' }, debug: true })
    for (const name of ['a', 'b', 'c']) send(queue, name, { priority: 'low' })
    queue.concurrency = 1
    const low = send(queue, 'd', { priority: 'low' })
    send(queue, 'urgent', { priority: 'urgent' })
    await turn()
    expect(low.outcome).toBe(FULL)
    expect(gate.started).toEqual(['a'])
    expect(queue.getStatus()).toMatchObject({ waiting: 1, running: 3 })
    for (const name of ['a', 'b', 'c', 'urgent']) await gate.finish(name)
    expect(gate.started).toEqual(['a', 'b', 'c', 'urgent'])
  })

  test('one that costs more than there are now starts when it can run alone, and those behind it wait for that', async () => {
    const { gate, queue } = gated({ concurrency: 4, maxQueueSize: { low: 'none' }, debug: true })
    send(queue, 'runs')
    await turn()
    send(queue, 'wide', { priority: 'low', cost: 3 })
    send(queue, 'normal')
    queue.concurrency = 2
    await turn()
    // The free slot is of no use to the one that has its slots, and is nobody else's.
    expect(gate.started).toEqual(['runs'])
    await gate.finish('runs')
    expect(gate.started).toEqual(['runs', 'wide'])
    await gate.finish('wide')
    expect(gate.started).toEqual(['runs', 'wide', 'normal'])
  })

  test('more slots are for those who come then', async () => {
    const { gate, queue } = gated({ maxQueueSize: 'none', debug: true })
    const before = [send(queue, 'a'), send(queue, 'b')]
    queue.concurrency = 2
    const after = send(queue, 'c')
    await turn()
    expect(codes([...before, after])).toEqual([IN, FULL, IN])
    expect(gate.started).toEqual(['a', 'c'])
  })

  test('one that leaves makes room', async () => {
    const { gate, queue } = gated({ maxQueueSize: 'none', debug: true })
    const request = queue.offer('a')
    expect(queue.offer('b')).toBeUndefined()
    request?.cancel()
    expect(queue.offer('c')).toBeDefined()
    await turn()
    expect(gate.started).toEqual(['c'])
  })

  test('synchronous runs take the slots of their burst one after the other, and no newcomer comes in between', async () => {
    const seen: string[] = []
    const queue: QueuedExecutor<string, unknown> = new QueuedExecutor<string, unknown>(
      (name: string) => {
        seen.push(name)
        // Its own slot is busy, and the other one is promised to 'b'.
        if (name === 'a') seen.push(queue.offer('inside') === undefined ? 'refused' : 'admitted')
        return name
      },
      { concurrency: 2, maxQueueSize: 'none', debug: true },
    )
    const all = [watch(queue.execute('a')), watch(queue.execute('b')), watch(queue.execute('c'))]
    await turn()
    expect(seen).toEqual(['a', 'refused', 'b'])
    expect(codes(all)).toEqual(['fulfilled', 'fulfilled', FULL])
    await expect(queue.execute('d')).resolves.toBe('d')
  })

  test.each(['low', 'urgent'] as const)(
    'one that comes back waits for one (%s) that came in before it',
    async (priority) => {
      const options = {
        concurrency: 2,
        maxQueueSize: 'none',
        debug: true,
        retry: { name: 'again', delayMs: () => 10 },
      } as const
      const { clock, gate, queue } = gated(options)
      const fails = send(queue, 'fails', { priority: 'urgent' })
      await turn()
      await gate.fail('fails', new Error('once'))
      const hangs = send(queue, 'hangs', { timeoutMs: 10 })
      // Told in the turn of the alarm in which the other one comes back, just before.
      queue.once('expired', () => void send(queue, 'new', { priority }))
      await clock.advance(10)
      expect(hangs.outcome).toBe('TRIAGE_RUN_TIMEOUT')
      expect(gate.started).toEqual(['fails', 'hangs', 'new'])
      expect(queue.getStatus()).toMatchObject({ waiting: 0, retrying: 1 })
      await gate.finish('new')
      expect(gate.started).toEqual(['fails', 'hangs', 'new', 'fails'])
      await gate.finish('fails')
      expect(fails.outcome).toBe('fulfilled')
    },
  )

  test('one that is back already has its slot before a newcomer', async () => {
    const retry = { name: 'again', delayMs: () => 10 }
    const { clock, gate, queue } = gated({ concurrency: 2, maxQueueSize: 'none', debug: true, retry })
    send(queue, 'fails', { priority: 'low' })
    await turn()
    await gate.fail('fails', new Error('once'))
    send(queue, 'hangs', { runTimeoutMs: 10 })
    let late: { outcome: unknown } | undefined
    queue.once('expired', () => {
      late = send(queue, 'new', { priority: 'urgent' })
    })
    await clock.advance(10)
    expect(late?.outcome).toBe(FULL)
    expect(gate.started).toEqual(['fails', 'hangs', 'fails'])
  })
})

describe('guards that look at those whose turn has come', () => {
  test('while one holds, nothing comes in; a blocked caller comes in when it lets go', async () => {
    for (const whenFull of ['reject', 'block'] as const) {
      let until = 20
      const holds: Guard = { name: 'holds', holdMs: ({ at }) => Math.max(until - at, 0) }
      const { clock, gate, queue } = gated({ maxQueueSize: 'none', whenFull, overload: holds, debug: true })
      const all = [send(queue, 'a', { priority: 'low' }), send(queue, 'b', { priority: 'urgent' })]
      const isReady = watch(queue.ready())
      await turn()
      expect(codes(all)).toEqual(whenFull === 'block' ? [IN, IN] : [FULL, FULL])
      expect(isReady.state).toBe('pending')
      await clock.advance(20)
      expect(gate.started).toEqual(whenFull === 'block' ? ['b'] : [])
      until = 0
      if (whenFull === 'block') {
        await gate.finishAll()
        expect(gate.started).toEqual(['b', 'a'])
        await gate.finishAll()
      }
      // Nobody told it when the guard lets go: it asks each second.
      await clock.advance(1_000)
      expect(isReady.state).toBe('fulfilled')
      expect(clock.timers).toBe(0)
    }
  })

  test('a guard that holds one only when it is to start has it wait with its slot', async () => {
    let isAsked = 0
    const holds: Guard = { name: 'holds', holdMs: () => (++isAsked === 2 ? 10 : 0) }
    const { clock, gate, queue } = gated({ concurrency: 2, maxQueueSize: 'none', overload: holds, debug: true })
    const first = send(queue, 'a')
    await turn()
    expect(gate.started).toEqual([])
    const second = send(queue, 'b')
    await clock.advance(10)
    expect(codes([first, second])).toEqual([IN, FULL])
    expect(gate.started).toEqual(['a'])
  })

  test('one that is blocked and would be held holds back no other', async () => {
    let until = 50
    const holds: Guard = {
      name: 'holds',
      holdMs: ({ request, at }) => (request === 'held' ? Math.max(until - at, 0) : 0),
    }
    const maxQueueSize = { total: 5, urgent: 'none' } as const
    const { clock, gate, queue } = gated({
      concurrency: 2,
      maxQueueSize,
      whenFull: 'block',
      overload: holds,
      debug: true,
    })
    send(queue, 'held', { priority: 'urgent' })
    send(queue, 'other', { priority: 'low' })
    await turn()
    expect(gate.started).toEqual(['other'])
    send(queue, 'urgent', { priority: 'urgent' })
    await turn()
    expect(gate.started).toEqual(['other', 'urgent'])
    await gate.finishAll()
    until = 0
    await clock.advance(50)
    expect(gate.started).toEqual(['other', 'urgent', 'held'])
    await gate.finishAll()
    expect(clock.timers).toBe(0)
  })

  test('codel() has nobody to drop, and an open circuitBreaker() says why it refuses', async () => {
    const breaker = circuitBreaker({ minimumRequests: 1, openMs: 100, probes: 1 })
    const options = { concurrency: 2, maxQueueSize: 'none', overload: [codel(), breaker], debug: true } as const
    const { clock, gate, queue } = gated(options)
    const all = [send(queue, 'a'), send(queue, 'b')]
    await turn()
    await gate.fail('a', new Error('down'))
    const refused = send(queue, 'c')
    await turn()
    expect(refused.outcome).toBe('TRIAGE_OVERLOADED')
    await clock.advance(100)
    const probes = [send(queue, 'd', { priority: 'low' }), send(queue, 'e', { priority: 'low' })]
    await turn()
    expect(codes(probes)).toEqual([IN, 'TRIAGE_OVERLOADED'])
    expect(gate.started).toEqual(['a', 'b', 'd'])
    await gate.finishAll()
    expect(all[1]?.outcome).toBe('fulfilled')
    expect(queue.getStatus().totals.shed).toBe(0)
  })
})

test('0 stays no bound', async () => {
  const options: QueuedExecutorOptions<string> = { maxQueueSize: { total: 0, low: 0 } }
  const { queue } = gated(options)
  const all = Array.from({ length: 20 }, (_, i) => send(queue, `${i}`, { priority: 'low' }))
  await turn()
  expect(new Set(codes(all))).toEqual(new Set([IN]))
  expect(queue.getStatus().maxQueueSize).toBeNull()
})

test('under two orders as one, a newcomer is tried where nobody stands yet', async () => {
  for (const whenFull of ['reject', 'block'] as const) {
    const order = aging({}, { within: earliestDeadlineFirst() })
    const options = { concurrency: 3, order, whenFull, maxQueueSize: { total: 100, urgent: 'none' } } as const
    const { gate, queue } = gated(options)
    const all = [send(queue, 'runs', { priority: 'low' }), send(queue, 'wide', { priority: 'low', cost: 3 })]
    await turn()
    all.push(send(queue, 'urgent', { priority: 'urgent' }))
    await turn()
    await gate.finishAll()
    const ends = all.map(({ outcome }) => outcome)
    expect(ends.slice(0, 2)).toEqual(['fulfilled', 'fulfilled'])
    expect(['fulfilled', 'TRIAGE_QUEUE_FULL']).toContain(ends[2])
    expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0, blocked: 0 })
  }
})

test('one that would never start at once is not moved to where nothing may wait', async () => {
  const options = { maxQueueSize: { total: 1, urgent: 'none' }, whenFull: 'block', onDuplicate: 'join-by-id' } as const
  const { gate, queue } = gated(options)
  const runs = send(queue, 'runs')
  const waits = send(queue, 'waits')
  const blocked = send(queue, 'later', { id: 'later', after: [Promise.resolve()] })
  const joined = send(queue, 'later', { id: 'later', priority: 'urgent' })
  await turn()
  expect(queue.getStatus()).toMatchObject({ blocked: 1, blockedByPriority: { normal: 1 } })
  expect(queue.get('later')?.setPriority('urgent')).toBe(false)
  expect(queue.get('later')?.setPriority('high')).toBe(true)
  await gate.finishAll()
  expect(codes([runs, waits, blocked, joined])).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'fulfilled'])
})

test('one that finds its slot passes none that is blocked: `offer()` is refused, and `execute()` goes by its priority', async () => {
  const maxQueueSize = { total: 1, urgent: 'none' } as const
  const options = { concurrency: 3, maxQueueSize, whenFull: 'block', reserve: { low: 1 }, debug: true } as const
  const { gate, queue } = gated(options)
  const all = ['first', 'blocked'].map((name) => send(queue, name, { priority: 'high' }))
  expect(queue.getStatus().blocked).toBe(1)
  expect(queue.offer('offered', { priority: 'urgent' })).toBeUndefined()
  all.push(send(queue, 'urgent', { priority: 'urgent' }))
  expect(queue.getStatus().blocked).toBe(1)
  await turn()
  expect(gate.started).toEqual(['urgent', 'first'])
  await gate.finishAll()
  expect(codes(all)).toEqual(['fulfilled', 'fulfilled', 'fulfilled'])
})
