/**
 * Who goes first, who gets in, and who has to make room.
 */
import {
  type OrderPolicy,
  priorities,
  type QueuedExecutorOptions,
  RequestQueue,
  strict,
  WorkerPool,
} from 'triage-queue'
import { describe, expect, test, vi } from 'vitest'
import { busy, countOperations, Gate, gated, lost, turn, watch } from './support.ts'

// Some start a process.
vi.setConfig({ testTimeout: 30_000 })

const notPriorities = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  0,
  1,
  null,
  true,
  '',
  'URGENT',
  'medium',
  'constructor',
  '__proto__',
  'toString',
  'hasOwnProperty',
  ['high'],
  { toString: () => 'high' },
  Symbol('high'),
]

describe('F30: first-in first-out within a priority', () => {
  test('F30: survives aborts, timeouts, changes of the limit, shedding and coming back', async () => {
    const { clock, gate, queue } = await busy({ concurrency: 2, maxQueueSize: 40, whenFull: 'shed' })
    const abort = new AbortController()
    const expected: string[] = []
    for (let i = 0; i < 40; i++) {
      const aborts = i % 5 === 0
      const expires = i % 7 === 0
      const priority = i % 2 === 0 ? 'normal' : 'high'
      const options = {
        priority,
        ...(aborts && { signal: abort.signal }),
        ...(expires && { waitTimeoutMs: 10 }),
      } as const
      watch(queue.execute(`${priority} ${i}`, options))
      if (!aborts && !expires) expected.push(`${priority} ${i}`)
    }
    abort.abort()
    queue.concurrency = 1
    await clock.advance(10)
    // What is shed leaves from the end of the lowest tier; those that remain keep their order.
    for (let i = queue.getStatus().waiting; i < 42; i++) {
      watch(queue.execute(`urgent ${i}`, { priority: 'urgent' }))
      expected.push(`urgent ${i}`)
    }
    queue.concurrency = 3
    await gate.finishAll()
    const shed = expected.filter((name) => name.startsWith('normal')).slice(-2)
    for (const priority of ['urgent', 'high', 'normal']) {
      const started = gate.started.filter((name) => name.startsWith(priority))
      expect(started).toEqual(expected.filter((name) => name.startsWith(priority) && !shed.includes(name)))
    }
    expect(queue.getStatus().totals.shed).toBe(2)
    expect(gate.mostRunning).toBe(3)
  })

  test('F30: holds for blocked callers, whoever among them leaves', async () => {
    const { gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'block' })
    const abort = new AbortController()
    for (let i = 0; i < 12; i++) {
      const priority = i % 2 === 0 ? 'normal' : 'high'
      watch(queue.execute(`${priority} ${i}`, i % 3 === 0 ? { priority, signal: abort.signal } : { priority }))
    }
    abort.abort()
    await gate.finishAll()
    expect(gate.started).toEqual([
      'busy 0',
      'high 1',
      'high 5',
      'high 7',
      'high 11',
      'normal 2',
      'normal 4',
      'normal 8',
      'normal 10',
    ])
  })

  test('F30: a new priority keeps the place that the request’s admission gives it there', async () => {
    const { gate, queue } = await busy()
    const handles = ['a', 'b', 'c', 'd'].map((name, i) =>
      queue.offer(name, { priority: i % 2 === 0 ? 'low' : 'normal' }),
    )
    expect(handles[0]?.setPriority('normal')).toBe(true)
    expect(handles[1]?.setPriority('urgent')).toBe(true)
    expect(handles[1]?.setPriority('normal')).toBe(true)
    expect(handles[2]?.setPriority('normal')).toBe(true)
    expect(handles.map((handle) => handle?.position())).toEqual([0, 1, 2, 3])
    await gate.finishAll()
    expect(gate.started).toEqual(['busy 0', 'a', 'b', 'c', 'd'])
  })

  test('F30: holds in a queue used on its own, whatever is removed', () => {
    const queue = new RequestQueue<number>()
    const tickets = Array.from({ length: 2_000 }, (_, i) => queue.enqueue(i))
    for (let i = 0; i < 2_000; i += 3) expect(queue.remove(tickets[i] as (typeof tickets)[0])).toBe(true)
    const left: (number | undefined)[] = []
    while (queue.size > 0) left.push(queue.dequeue())
    expect(left).toEqual(Array.from({ length: 2_000 }, (_, i) => i).filter((i) => i % 3 !== 0))
  })
})

describe('F31: starvation of low priorities', () => {
  /** A request of a lower tier counts as if it had come later: one step for each tier. */
  const bounded = (step: number): OrderPolicy => ({
    name: 'bounded',
    acrossTiers: true,
    rank: ({ tier, admittedAt }) => admittedAt + tier * step,
  })

  async function underPressure(order: OrderPolicy): Promise<number> {
    const { clock, gate, queue } = gated({ order })
    watch(queue.execute('first', { priority: 'high' }))
    watch(queue.execute('low', { priority: 'low' }))
    for (let i = 0; i < 100; i++) {
      watch(queue.execute(`high ${i}`, { priority: 'high' }))
      await clock.advance(10)
      gate.call(gate.started.at(-1) as string).finish()
      await turn()
      if (gate.started.includes('low')) return clock.now()
    }
    return Number.POSITIVE_INFINITY
  }

  test('F31: is what strict order does, as documented', async () => {
    expect(await underPressure(strict())).toBe(Number.POSITIVE_INFINITY)
  })

  test('F31: has a bound under an order that compares ranks across the tiers', async () => {
    // Two tiers below, at 100 ms each: behind whatever came up to 200 ms later, and before all the rest.
    expect(await underPressure(bounded(100))).toBeLessThanOrEqual(220)
  })
})

describe('F32: a priority that is none', () => {
  test('F32: is refused by every way in, and nothing has changed', async () => {
    const { gate, queue } = gated()
    for (const priority of notPriorities as never[]) {
      const refused = { code: 'TRIAGE_INVALID_OPTIONS', path: 'priority' }
      await expect(queue.execute('x', { priority })).rejects.toMatchObject(refused)
      await expect(queue.submit('x', { priority })).rejects.toMatchObject(refused)
      expect(() => queue.offer('x', { priority })).toThrow(expect.objectContaining(refused))
      await expect(queue.ready(priority)).rejects.toMatchObject(refused)
      await expect((async () => queue.map(['x'], { priority }).next())()).rejects.toMatchObject(refused)
    }
    await turn()
    expect(gate.started).toEqual([])
    expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0, totals: { admitted: 0 } })
    expect(Object.keys(queue.getStatus().waitingByPriority)).toEqual(priorities)
  })

  test('F32: is refused for a request that waits already, which keeps its own', async () => {
    const { queue } = await busy()
    const handle = queue.offer('x', { priority: 'low' })
    for (const priority of notPriorities as never[]) {
      expect(() => handle?.setPriority(priority)).toThrow(expect.objectContaining({ path: 'priority' }))
    }
    expect([handle?.priority, handle?.position()]).toEqual(['low', 0])
  })

  test('F32: is refused by a queue and by a pool used on their own', async () => {
    const queue = new RequestQueue<string>()
    const ticket = queue.enqueue('own', { priority: 'low' })
    const pool = new WorkerPool((name: string) => name, { concurrency: 1 })
    const invalid = expect.objectContaining({ code: 'TRIAGE_INVALID_OPTIONS' })
    for (const priority of notPriorities as never[]) {
      expect(() => queue.enqueue('x', { priority }), String(priority)).toThrow(invalid)
      expect(() => queue.setPriority(ticket, priority)).toThrow(invalid)
      expect(() => queue.sizeOf(priority)).toThrow(invalid)
      await expect(pool.run('x', { priority }), String(priority)).rejects.toMatchObject({ path: 'priority' })
    }
    expect(queue.clear()).toEqual(['own'])
  })

  test('F32: as a key of an option by priority is refused as well', () => {
    const keys = ['medium', 'constructor', '__proto__', 'toString']
    for (const key of keys) {
      for (const option of ['maxQueueSize', 'waitTimeoutMs', 'runTimeoutMs', 'timeoutMs']) {
        const options = JSON.parse(`{ "${option}": { "${key}": 7 } }`)
        expect(() => gated(options), `${option}.${key}`).toThrow(expect.objectContaining({ path: `${option}.${key}` }))
      }
    }
    expect(({} as { low?: unknown }).low).toBeUndefined()
  })
})

describe('F33: a request that somebody more urgent joins', () => {
  test('F33: takes the highest priority of those who share it', async () => {
    const { gate, queue } = await busy()
    watch(queue.execute('normal'))
    const shared = watch(queue.execute('shared', { id: 'shared', priority: 'low' }))
    watch(queue.execute('high', { priority: 'high' }))
    expect(queue.position('shared')).toBe(2)
    const urgent = watch(queue.execute('shared', { id: 'shared', priority: 'urgent' }))
    watch(queue.execute('shared', { id: 'shared', priority: 'normal' }))
    expect([queue.position('shared'), queue.get('shared')?.priority]).toEqual([0, 'urgent'])
    await gate.finishAll()
    expect(gate.started).toEqual(['busy 0', 'shared', 'high', 'normal'])
    expect([shared.value, urgent.value]).toEqual(['shared', 'shared'])
  })

  test('F33: is lifted among the blocked, too', async () => {
    const { gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'block' })
    watch(queue.execute('waits'))
    watch(queue.execute('blocked'))
    const shared = watch(queue.submit('shared', { id: 'shared', priority: 'low' }))
    const urgent = watch(queue.submit('shared', { id: 'shared', priority: 'urgent' }))
    expect(queue.getStatus()).toMatchObject({ blocked: 2, blockedByPriority: { urgent: 1, normal: 1, low: 0 } })
    await gate.finish('busy 0')
    expect([shared.state, urgent.state]).toEqual(['fulfilled', 'fulfilled'])
    await gate.finishAll()
    expect(gate.started).toEqual(['busy 0', 'waits', 'shared', 'blocked'])
  })

  test('F33: is not lowered by a less urgent one', async () => {
    const { queue } = await busy()
    watch(queue.execute('shared', { id: 'shared', priority: 'high' }))
    watch(queue.execute('shared', { id: 'shared', priority: 'low' }))
    expect(queue.get('shared')?.priority).toBe('high')
  })
})

describe('F34: the bound of the queue', () => {
  test('F34: holds at every instant of a burst, and refuses exactly what is beyond it', async () => {
    const { gate, queue } = gated({ concurrency: 3, maxQueueSize: 4 })
    const seen: number[] = []
    for (const event of ['queued', 'started', 'completed', 'rejected'] as const)
      queue.on(event, () => seen.push(queue.getStatus().waiting))
    const callers = Array.from({ length: 20 }, (_, i) => watch(queue.execute(`${i}`)))
    expect(queue.getStatus()).toMatchObject({ running: 3, waiting: 4 })
    await turn()
    expect(callers.filter((caller) => caller.outcome === 'TRIAGE_QUEUE_FULL')).toHaveLength(13)
    await gate.finishAll()
    expect(Math.max(...seen)).toBe(4)
    expect(Math.min(...seen)).toBe(0)
    expect(gate.started).toEqual(['0', '1', '2', '3', '4', '5', '6'])
  })

  test('F34: of one priority is counted for itself, and names itself', async () => {
    const { queue } = await busy({ maxQueueSize: { total: 3, low: 1 }, whenFull: 'reject' })
    const low = [1, 2].map((i) => watch(queue.execute(`low ${i}`, { priority: 'low' })))
    const normal = [1, 2, 3].map((i) => watch(queue.execute(`normal ${i}`)))
    await turn()
    expect(low[1]?.error).toMatchObject({
      code: 'TRIAGE_QUEUE_FULL',
      bound: 'priority',
      size: 1,
      maxSize: 1,
      priority: 'low',
    })
    expect(normal[2]?.error).toMatchObject({ code: 'TRIAGE_QUEUE_FULL', bound: 'total', size: 3, maxSize: 3 })
    expect(queue.getStatus().waitingByPriority).toEqual({ urgent: 0, high: 0, normal: 2, low: 1 })
  })

  test('F34: the blocked are counted separately, and bounded as well', async () => {
    const { gate, queue } = await busy({ maxQueueSize: 2, whenFull: 'block', maxBlocked: 3 })
    const callers = Array.from({ length: 7 }, (_, i) => watch(queue.execute(`${i}`)))
    await turn()
    expect(queue.getStatus()).toMatchObject({ waiting: 2, blocked: 3 })
    expect(callers.slice(5).map((caller) => caller.error)).toMatchObject(
      Array(2).fill({ code: 'TRIAGE_QUEUE_FULL', bound: 'blocked', size: 3, maxSize: 3 }),
    )
    await gate.finishAll()
    expect(gate.started).toEqual(['busy 0', '0', '1', '2', '3', '4'])
  })

  test('F34: holds when slots vanish in the very burst that was promised them: those wait their turn for the rest', async () => {
    const { gate, queue } = gated({ concurrency: 10, maxQueueSize: 1 })
    for (let i = 0; i < 10; i++) watch(queue.execute(`${i}`))
    queue.concurrency = 1
    await turn()
    expect(gate.started).toEqual(['0'])
    // The promise of a slot is kept, later; so there is room for exactly one more, as there would have been without it.
    expect(queue.offer('one more')).toBeDefined()
    expect(queue.offer('two more')).toBeUndefined()
    expect(queue.getStatus().waiting).toBe(1)
    for (let i = 0; i < 10; i++) {
      await gate.finish(gate.started.at(-1) as string)
      expect(queue.getStatus().waiting).toBeLessThanOrEqual(1)
      expect(lost(queue.getStatus())).toBe(0)
    }
    await gate.finishAll()
    expect(gate.mostRunning).toBe(1)
    expect(gate.started).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'one more'])
  })

  test('F34: holds when a burst is paused before it is dispatched', async () => {
    const { gate, queue } = gated({ concurrency: 2, maxQueueSize: 1 })
    for (const name of ['a', 'b']) watch(queue.execute(name))
    queue.pause()
    await turn()
    expect(gate.started).toEqual([])
    expect(queue.offer('c')).toBeDefined()
    expect(queue.offer('d')).toBeUndefined()
    expect(queue.getStatus().waiting).toBe(1)
    queue.resume()
    await gate.finishAll()
    expect(gate.started).toEqual(['a', 'b', 'c'])
    expect(gate.mostRunning).toBe(2)
  })

  test('F34: every default is bounded', async () => {
    const { queue } = gated()
    const { maxQueueSize, maxWorkers } = queue.getStatus()
    expect([maxQueueSize, maxWorkers]).toEqual([10_000, 10].map((n, i) => (i === 1 ? 1 : n)))
    const queueOnItsOwn = new RequestQueue<number>()
    for (let i = 0; i < 10_000; i++) queueOnItsOwn.enqueue(i)
    expect(() => queueOnItsOwn.enqueue(1)).toThrow(expect.objectContaining({ code: 'TRIAGE_QUEUE_FULL' }))
  })
})

describe('F35: newcomers and blocked callers', () => {
  async function full(options: QueuedExecutorOptions<string> = {}) {
    const made = await busy({ maxQueueSize: 1, whenFull: 'block', ...options })
    const waits = watch(made.queue.execute('waits', { id: 'waits', waitTimeoutMs: 5_000 }))
    const blocked = watch(made.queue.execute('blocked', { id: 'blocked' }))
    return { ...made, waits, blocked }
  }

  test('F35: a newcomer is blocked behind them, though there is room at the same instant', async () => {
    const { gate, queue } = await full()
    queue.cancel('waits')
    watch(queue.execute('newcomer'))
    expect(queue.offer('offered')).toBeUndefined()
    expect(queue.getStatus()).toMatchObject({ waiting: 1, blocked: 1 })
    await gate.finishAll()
    expect(gate.started).toEqual(['busy 0', 'blocked', 'newcomer'])
  })

  test.each(['completed', 'started', 'cancelled', 'expired', 'stuck', 'resumed', 'rejected'] as const)(
    'F35: not even one from a listener of %s passes them',
    async (event) => {
      const replace = event === 'stuck'
      const { clock, gate, queue } = await full({
        runTimeoutMs: replace ? 1_000 : 60_000,
        ...(replace && { onStuck: 'replace', maxReplaced: 1 }),
      })
      const newcomers: unknown[] = []
      queue.once(event, () => {
        watch(queue.execute('newcomer', { id: 'newcomer' }))
        newcomers.push(queue.offer('offered', { id: 'offered' })?.state)
      })
      if (event === 'completed' || event === 'started') await gate.finish('busy 0')
      if (event === 'cancelled') queue.cancel('waits')
      if (event === 'expired') await clock.advance(5_000)
      if (event === 'stuck') await clock.advance(1_000)
      if (event === 'resumed') void [queue.pause(), await gate.finish('busy 0'), queue.resume()]
      if (event === 'rejected') watch(queue.execute('bad', { timeoutMs: -1 }))
      await turn()
      expect(newcomers).toEqual([undefined])
      await gate.finishAll()
      const order = gate.started.filter((name) => name === 'blocked' || name === 'newcomer')
      expect(order).toEqual(['blocked', 'newcomer'])
    },
  )

  test('F35: nor one that comes while the queue gives others a turn of the event loop', async () => {
    const started: string[] = []
    const { QueuedExecutor } = await import('triage-queue')
    let now = 0
    const clock = { now: () => now, setTimeout: () => ({}), clearTimeout: () => {} }
    const queue = new QueuedExecutor<string, void>(
      (name) => {
        started.push(name)
        now += 8
      },
      { concurrency: 1, maxQueueSize: 2, whenFull: 'block', clock },
    )
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j']
    const callers = names.map((name) => watch(queue.execute(name)))
    for (let i = 0; i < 5; i++) await null
    // It has been at it for more than 10 ms, and yields: the slot is free, but not for a newcomer.
    expect(started.length).toBeLessThan(5)
    expect(queue.getStatus().blocked).toBeGreaterThan(0)
    const offered = queue.offer('offered')
    watch(queue.execute('newcomer', { priority: 'normal' }))
    await Promise.all(callers.map((caller) => caller.done))
    await queue.idle()
    expect(offered).toBeUndefined()
    expect(started).toEqual([...names, 'newcomer'])
  })

  test('F35: a more urgent newcomer does go before them: among the blocked, priority decides', async () => {
    const { gate, queue } = await full()
    watch(queue.execute('urgent', { priority: 'urgent' }))
    await gate.finishAll()
    expect(gate.started).toEqual(['busy 0', 'waits', 'urgent', 'blocked'])
  })

  test('F35: a slot that comes free is handed over, not put up for whoever is first', async () => {
    const { gate, queue } = await busy()
    watch(queue.execute('waits'))
    // In the microtask in which the call settles, and in those around it.
    gate.call('busy 0').finish()
    for (let i = 0; i < 6; i++) {
      watch(queue.execute(`newcomer ${i}`))
      await null
    }
    await gate.finishAll()
    expect(gate.started.slice(0, 2)).toEqual(['busy 0', 'waits'])
    expect(gate.mostRunning).toBe(1)
  })
})

describe('F36: a blocked caller who leaves', () => {
  test.each(['signal', 'timeout', 'cancel'])('F36: leaves no hole: %s', async (how) => {
    const { clock, gate, queue } = await busy({ maxQueueSize: 2, whenFull: 'block', maxBlocked: 3 })
    const abort = new AbortController()
    const callers = Array.from({ length: 5 }, (_, i) => {
      const leaves = i === 3
      const options = {
        id: `${i}`,
        ...(leaves && how === 'signal' && { signal: abort.signal }),
        ...(leaves && how === 'timeout' && { waitTimeoutMs: 10 }),
      }
      return watch(queue.execute(`${i}`, options))
    })
    if (how === 'signal') abort.abort()
    if (how === 'timeout') await clock.advance(10)
    if (how === 'cancel') queue.cancel('3')
    await turn()
    expect(callers[3]?.state).toBe('rejected')
    expect(queue.getStatus()).toMatchObject({ waiting: 2, blocked: 2 })
    // His place among the blocked is free again, and the room that comes later goes to the next.
    const next = watch(queue.execute('5'))
    expect(watch(queue.execute('6')).state).toBe('pending')
    await turn()
    expect([next.state, queue.getStatus().blocked]).toEqual(['pending', 3])
    await gate.finishAll()
    expect(gate.started).toEqual(['busy 0', '0', '1', '2', '4', '5'])
    expect(lost(queue.getStatus())).toBe(0)
    expect(clock.timers).toBe(0)
  })
})

describe('F37: shedding', () => {
  test('F37: never displaces an equal or a higher priority: the newcomer is refused instead', async () => {
    const { gate, queue } = await busy({ maxQueueSize: 4, whenFull: 'shed' })
    const kept = priorities.map((priority) => watch(queue.execute(priority, { priority })))
    const low = watch(queue.execute('low 2', { priority: 'low' }))
    const normal = watch(queue.execute('normal 2', { priority: 'normal' }))
    const second = watch(queue.execute('normal 3', { priority: 'normal' }))
    const high = watch(queue.execute('high 2', { priority: 'high' }))
    await turn()
    expect(low.error).toMatchObject({ code: 'TRIAGE_QUEUE_FULL', bound: 'total' })
    expect(kept[3]?.error).toMatchObject({
      code: 'TRIAGE_SHED',
      displacedBy: 'normal',
      priority: 'low',
      started: false,
    })
    expect(second.outcome).toBe('TRIAGE_QUEUE_FULL')
    // The youngest of the lowest tier goes, not the one who has waited longest.
    expect([normal.outcome, kept[2]?.outcome, high.outcome]).toEqual(['TRIAGE_SHED', 'pending', 'pending'])
    const urgent = [1, 2].map((i) => watch(queue.execute(`urgent ${i}`, { priority: 'urgent' })))
    await turn()
    expect([kept[2]?.outcome, high.outcome, urgent[0]?.outcome]).toEqual(['TRIAGE_SHED', 'TRIAGE_SHED', 'pending'])
    await gate.finishAll()
    expect(gate.started).toEqual(['busy 0', 'urgent', 'urgent 1', 'urgent 2', 'high'])
  })

  test('F37: is not what a bound of its own priority does: that newcomer is refused', async () => {
    const { queue } = await busy({ maxQueueSize: { total: 10, high: 1 }, whenFull: 'shed' })
    const low = watch(queue.execute('low', { priority: 'low' }))
    const high = [1, 2].map((i) => watch(queue.execute(`high ${i}`, { priority: 'high' })))
    await turn()
    expect(high[1]?.error).toMatchObject({ code: 'TRIAGE_QUEUE_FULL', bound: 'priority' })
    expect(low.state).toBe('pending')
  })
})

describe('F38: the one who is shed', () => {
  async function shedding() {
    const made = await busy({ maxQueueSize: 1, whenFull: 'shed' })
    const { queue } = made
    const abort = new AbortController()
    const victim = queue.offer('victim', { id: 'victim', priority: 'low', signal: abort.signal })
    const result = watch((victim as NonNullable<typeof victim>).result)
    const ends: string[] = []
    for (const event of ['shed', 'cancelled', 'completed', 'expired'] as const) {
      queue.on(event, ({ id }) => id === 'victim' && ends.push(event))
    }
    return { ...made, abort, victim: victim as NonNullable<typeof victim>, result, ends }
  }

  const acts = [
    'cancels it',
    'aborts its signal',
    'gives it another priority',
    'looks at it',
    'closes',
    'sheds again',
  ] as const

  test.each(acts.flatMap((act) => (['queued', 'full', 'shed'] as const).map((event) => [act, event] as const)))(
    'F38: has exactly one outcome, also when a listener %s at that instant (%s)',
    async (act, event) => {
      const { gate, queue, abort, victim, result, ends } = await shedding()
      const seen: unknown[] = []
      const errors: unknown[] = []
      queue.once(event, () => {
        try {
          seen.push(lost(queue.getStatus()), queue.getStatus().waiting)
          if (act === 'cancels it') seen.push(queue.cancel('victim'))
          if (act === 'aborts its signal') abort.abort('gone')
          if (act === 'gives it another priority') seen.push(victim.setPriority('urgent'))
          if (act === 'looks at it') seen.push(victim.position(), victim.state, queue.get('victim'))
          if (act === 'closes') watch(queue.close({ drain: false }))
          if (act === 'sheds again') watch(queue.execute('third', { priority: 'urgent' }))
        } catch (error) {
          errors.push(error)
        }
      })
      const newcomer = watch(queue.execute('newcomer', { priority: 'high' }))
      await turn()
      expect(errors).toEqual([])
      // Nothing is lost in between, and the queue is as full as it may be.
      expect(seen.slice(0, 2)).toEqual([0, 1])
      if (act === 'cancels it' || act === 'gives it another priority') expect(seen[2]).toBe(false)
      if (act === 'looks at it') expect(seen.slice(2)).toEqual([undefined, 'shed', undefined])
      expect(result.outcome).toBe('TRIAGE_SHED')
      expect(ends).toEqual(['shed'])
      await gate.finishAll()
      expect(gate.started).not.toContain('victim')
      expect(queue.getStatus()).toMatchObject({
        waiting: 0,
        running: 0,
        waitingByPriority: { low: 0, high: 0, urgent: 0 },
      })
      expect(lost(queue.getStatus())).toBe(0)
      if (act === 'closes') expect(newcomer.outcome).toBe('TRIAGE_CANCELLED')
      else expect(newcomer.outcome).toBe(act === 'sheds again' ? 'TRIAGE_SHED' : 'fulfilled')
    },
  )

  test('F38: and the ones who joined it share that outcome', async () => {
    const { queue, result } = await shedding()
    const joined = watch(queue.execute('victim', { id: 'victim', priority: 'low' }))
    watch(queue.execute('newcomer', { priority: 'high' }))
    await turn()
    expect([result.outcome, joined.outcome]).toEqual(['TRIAGE_SHED', 'TRIAGE_SHED'])
  })

  test('F38: is never one that has its slot already', async () => {
    const { gate, queue } = gated({ maxQueueSize: 1, whenFull: 'shed' })
    const low = watch(queue.execute('low', { priority: 'low' }))
    queue.once('started', () => {
      watch(queue.execute('urgent 1', { priority: 'urgent' }))
      watch(queue.execute('urgent 2', { priority: 'urgent' }))
    })
    await turn()
    await gate.finishAll()
    expect(low.outcome).toBe('fulfilled')
    expect(gate.started).toEqual(['low', 'urgent 1'])
  })
})

describe('F41: a backlog of a million', () => {
  let counted: Promise<Record<string, number>[]> | undefined
  const countAll = () => {
    counted ??= countOperations<Record<string, number>>(['backlog', 'all', '1000', '100000'])
    return counted
  }

  test.each(['status', 'get', 'admit', 'admit last', 'start'])('F41: costs nothing more: %s', async (what) => {
    const [few, many] = (await countAll()).map((counts) => counts[what]) as [number, number]
    expect(few).toBeGreaterThan(0)
    expect(many).toBeLessThanOrEqual(few * 1.2)
  })

  test.each(['position', 'set priority', 'cancel'])(
    'F41: costs little more, and nothing like its length: %s',
    async (what) => {
      const [few, many] = (await countAll()).map((counts) => counts[what]) as [number, number]
      expect(few).toBeGreaterThan(0)
      // A hundred times the backlog. A search takes a few steps more; whole blocks are counted, of 512 requests each.
      expect(many).toBeLessThanOrEqual(10 * few)
      expect(many).toBeLessThan(1_000)
    },
  )

  test('F41: is admitted, looked at, changed in its middle and drained, and keeps its order', () => {
    const queue = new RequestQueue<number>({ maxQueueSize: 0 })
    type Ticket = ReturnType<typeof queue.enqueue>
    // Of each a stretch from the middle: some will be more urgent, some will leave.
    const lifted: Ticket[] = []
    const leaving: Ticket[] = []
    for (let i = 0; i < 1_000_000; i++) {
      const ticket = queue.enqueue(i, { priority: priorities[i % 4] as 'low' })
      if (i >= 500_000 && i < 512_000 && i % 4 === 3) lifted.push(ticket)
      if (i >= 600_000 && i < 604_000 && i % 4 === 2) leaving.push(ticket)
    }
    expect([queue.size, queue.sizeOf('normal'), queue.getStatus().size]).toEqual([1_000_000, 250_000, 1_000_000])
    const [first, second] = lifted as [Ticket, Ticket]
    expect([queue.position(first), queue.position(second)]).toEqual([875_000, 875_001])
    for (const ticket of lifted) expect(queue.setPriority(ticket, 'urgent')).toBe(true)
    // Each stands behind the urgent one that came just before it.
    expect([queue.position(first), queue.position(second)]).toEqual([125_001, 125_003])
    leaving.push(...lifted.filter((_, i) => i % 2 === 0))
    for (const ticket of leaving) expect(queue.remove(ticket)).toBe(true)
    expect(queue.position(first)).toBeUndefined()
    expect(queue.position(second)).toBe(125_002)

    const left = 1_000_000 - leaving.length
    const gone = new Set(leaving.map((ticket) => ticket.request))
    expect(queue.size).toBe(left)
    const isLifted = (n: number): boolean => n >= 500_000 && n < 512_000 && n % 4 === 3
    const rank = (n: number): number => (isLifted(n) ? 0 : n % 4) * 1_000_000 + n
    let last = -1
    let wrong = 0
    let drained = 0
    for (let n = queue.dequeue(); n !== undefined; n = queue.dequeue()) {
      drained++
      if (rank(n) <= last || gone.has(n)) wrong++
      last = rank(n)
    }
    expect([drained, wrong, queue.size]).toEqual([left, 0, 0])
  })
})

test('F34 and F50: a pool has as many slots as it says, and no queue', async () => {
  const gate = new Gate()
  const pool = new WorkerPool(gate.executor, { concurrency: 2 })
  const callers = ['a', 'b', 'c'].map((name) => watch(pool.run(name)))
  await turn()
  expect(callers.map((caller) => caller.outcome)).toEqual(['pending', 'pending', 'TRIAGE_QUEUE_FULL'])
  // A pool has no queue that might be full.
  expect(callers[2]?.error).toMatchObject({ message: expect.stringMatching(/^No slot is free, and nothing may wait/) })
  expect([pool.active, pool.free]).toEqual([2, 0])
  await gate.finishAll()
  expect(gate.mostRunning).toBe(2)
})
