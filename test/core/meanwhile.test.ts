/**
 * What if a listener, a policy or an executor changes things in the middle of a step? Then the step looks again.
 *
 * Each of these is one such moment, told as the user sees it; `test/failures` and `test/laws` have the storms.
 */
import { type Guard, type OrderPolicy, QueuedExecutor, type QueuedRequest } from 'triage-queue'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { busy, Gate, gated, turn, watch } from '../failures/support.ts'

afterEach(() => {
  vi.useRealTimers()
})

describe('a listener of `started` that ends the request', () => {
  test('gives back the slot that is reserved for its priority', async () => {
    const { gate, queue } = gated({ concurrency: 2, reserve: { urgent: 1 } })
    queue.once('started', ({ id }) => queue.cancel(id))
    const gone = watch(queue.execute('gone', { priority: 'urgent' }))
    await turn()
    for (const name of ['low 1', 'low 2']) watch(queue.execute(name, { priority: 'low' }))
    await turn()
    expect([gone.outcome, gate.started]).toEqual(['TRIAGE_CANCELLED', ['low 1']])
    watch(queue.execute('urgent', { priority: 'urgent' }))
    await turn()
    expect(gate.started).toEqual(['low 1', 'urgent'])
    await gate.finishAll()
  })

  test.each([
    ['before its first attempt: the order policy hears that it has left', 1, ['started', 'left']],
    ['before its second: the policy has had its start, and hears of that one', 2, ['started', 'settled', 'started']],
  ])('%s', async (_when, attempt, expected) => {
    const told: string[] = []
    const order: OrderPolicy = {
      name: 'told',
      acrossTiers: false,
      rank: ({ sequence }) => sequence,
      started: () => told.push('started'),
      settled: () => told.push('settled'),
      left: () => told.push('left'),
    }
    const { clock, gate, queue } = gated({ order, retry: { name: 'once', delayMs: () => 10 } })
    queue.on('started', (event) => {
      if (event.attempt === attempt) queue.cancel(event.id)
    })
    const end = watch(queue.execute('a'))
    await turn()
    if (attempt > 1) await gate.fail('a', new Error('first'))
    await clock.advance(20)
    expect([end.outcome, told]).toEqual(['TRIAGE_CANCELLED', expected])
    expect([gate.running, queue.getStatus().running]).toEqual([0, 0])
  })
})

describe('an aborted signal that several requests share', () => {
  test('a listener that makes another of them leave first: it has left once, and who shares its run stays', async () => {
    const { gate, queue } = await busy()
    const caller = new AbortController()
    const { signal } = caller
    const first = watch(queue.execute('first', { signal }))
    const shared = await queue.submit('shared', { id: 'shared', signal })
    const joined = watch(queue.execute('shared', { id: 'shared' }))
    queue.once('cancelled', () => shared.cancel('by the listener'))
    caller.abort('gone')
    await turn()
    // Read late: what is kept is how it has left, and not what the signal says afterwards.
    const sharedEnd = watch(shared.result)
    await turn()
    expect([first.error, sharedEnd.outcome, shared.state]).toEqual(['gone', 'TRIAGE_CANCELLED', 'cancelled'])
    await gate.finishAll()
    expect([joined.value, gate.started]).toEqual(['shared', ['busy 0', 'shared']])
    expect(queue.getStatus().totals).toMatchObject({ completed: 2, cancelled: 1 })
  })
})

describe('while close() refuses those who are blocked', () => {
  async function closing(listener: (queue: QueuedExecutor<string, unknown>) => unknown) {
    const { gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'block' })
    const [waits, a, b] = ['waits', 'a', 'b'].map((id) => watch(queue.execute(id, { id })))
    const rejected: unknown[] = []
    queue.on('rejected', ({ id }) => {
      if (rejected.push(id) === 1) listener(queue)
    })
    void queue.close()
    await gate.finishAll()
    return { ends: [waits?.outcome, a?.outcome, b?.outcome], rejected, status: queue.getStatus() }
  }

  test('a listener that cancels the next of them: it is refused once, as cancelled', async () => {
    const { ends, rejected, status } = await closing((queue) => queue.cancel('b'))
    expect([ends, rejected]).toEqual([
      ['fulfilled', 'TRIAGE_QUEUE_CLOSED', 'TRIAGE_CANCELLED'],
      ['a', 'b'],
    ])
    expect(status).toMatchObject({ blocked: 0, totals: { admitted: 2, rejected: 2 } })
  })

  test('a listener that makes room: the next of them does not come in any more', async () => {
    const { ends, rejected, status } = await closing((queue) => queue.cancel('waits'))
    expect([ends, rejected]).toEqual([
      ['TRIAGE_CANCELLED', 'TRIAGE_QUEUE_CLOSED', 'TRIAGE_QUEUE_CLOSED'],
      ['a', 'b'],
    ])
    expect(status.totals).toMatchObject({ admitted: 2, cancelled: 1, rejected: 2 })
  })
})

test('a listener of `shed` that pauses: nobody more is shed, and nobody starts, until it goes on', async () => {
  const late = { rule: 'test', compared: {}, wouldAdmit: 'one that is not late' }
  const overload: Guard = { name: 'test', drop: ({ request }) => (`${request}`.startsWith('late') ? late : undefined) }
  const { gate, queue } = await busy({ overload })
  queue.once('shed', () => queue.pause())
  const [one, two] = ['late 1', 'late 2', 'in time'].map((name) => watch(queue.execute(name)))
  await gate.finish('busy 0')
  expect([one?.outcome, two?.outcome, gate.started]).toEqual(['TRIAGE_OVERLOADED', 'pending', ['busy 0']])
  expect(queue.getStatus()).toMatchObject({ waiting: 2, activeWorkers: 0, totals: { shed: 1 } })
  queue.resume()
  await turn()
  expect([two?.outcome, gate.started]).toEqual(['TRIAGE_OVERLOADED', ['busy 0', 'in time']])
  await gate.finishAll()
})

describe('a guard that hears how a call went', () => {
  const told = (settled: () => void): Guard => ({ name: 'test', settled })

  test('and cancels that very request: its caller hears that, its slot is free, and nothing has thrown', async () => {
    let request: QueuedRequest<string, unknown> | undefined
    const { gate, queue } = gated({ overload: told(() => void request?.cancel('too late')) })
    request = await queue.submit('a')
    const end = watch(request.result)
    await turn()
    await gate.finish('a')
    expect([end.outcome, request.state]).toEqual(['TRIAGE_CANCELLED', 'cancelled'])
    expect(queue.getStatus()).toMatchObject({ running: 0, activeWorkers: 0, stuckWorkers: 0, listenerErrors: 0 })
    watch(queue.execute('b'))
    await turn()
    expect(gate.started).toEqual(['a', 'b'])
    await gate.finish('b')
  })

  test('while its time ends: its caller hears that, and no slot is stuck for a call that has settled', async () => {
    vi.useFakeTimers()
    const gate = new Gate()
    const stuck = vi.fn()
    const overload = told(() => void vi.advanceTimersByTime(100))
    const queue = new QueuedExecutor(gate.executor, { concurrency: 1, timeoutMs: 50, overload }).on('stuck', stuck)
    const end = watch(queue.execute('a'))
    await turn()
    await gate.finish('a')
    expect([end.outcome, stuck.mock.calls]).toEqual(['TRIAGE_RUN_TIMEOUT', []])
    expect(queue.getStatus()).toMatchObject({
      activeWorkers: 0,
      stuckWorkers: 0,
      listenerErrors: 0,
      totals: { expired: 1, completed: 0 },
    })
    expect(vi.getTimerCount()).toBe(0)
  })
})

test('one whose time ends between the queue and its slot, in a listener, never runs, and the next one does', async () => {
  vi.useFakeTimers()
  const gate = new Gate()
  const queue = new QueuedExecutor(gate.executor, { concurrency: 1, maxQueueSize: 1, whenFull: 'block' })
  watch(queue.execute('a'))
  await turn()
  const late = watch(queue.execute('late', { timeoutMs: 50 }))
  const next = watch(queue.execute('next'))
  // The slot goes on to `late`, whose place goes to `next`: its listener is called in between.
  queue.once('queued', () => void vi.advanceTimersByTime(60))
  await gate.finish('a')
  expect([late.error, gate.started]).toEqual([
    expect.objectContaining({ code: 'TRIAGE_RUN_TIMEOUT', ranMs: 0 }),
    ['a', 'next'],
  ])
  await gate.finish('next')
  expect([next.value, queue.getStatus().activeWorkers]).toEqual(['next', 0])
})

describe('a synchronous run', () => {
  test('that lowers `concurrency` is followed by nothing until the others have ended', async () => {
    const gate = new Gate()
    const queue: QueuedExecutor<string, unknown> = new QueuedExecutor(
      (name: string, run) => {
        if (name !== 'lowers') return gate.executor(name, run)
        queue.concurrency = 1
        return name
      },
      { concurrency: 2 },
    )
    const [, lowers] = ['a', 'lowers', 'b'].map((name) => watch(queue.execute(name)))
    await turn()
    expect([lowers?.value, gate.started]).toEqual(['lowers', ['a']])
    await gate.finish('a')
    expect(gate.started).toEqual(['a', 'b'])
    await gate.finish('b')
  })

  test('that takes long lets others have their turn: by the clock’s own way, where it has one', async () => {
    let time = 0
    const deferred: (() => void)[] = []
    const clock = {
      now: () => time,
      setTimeout: () => ({}),
      clearTimeout: () => {},
      defer: (goOn: () => void) => void deferred.push(goOn),
    }
    const ran: number[] = []
    const queue = new QueuedExecutor(
      (n: number) => {
        time += 11
        ran.push(n)
      },
      { concurrency: 1, clock },
    )
    const ends = [1, 2, 3].map((n) => watch(queue.execute(n)))
    await turn()
    expect([ran, deferred.length]).toEqual([[1, 2], 1])
    deferred[0]?.()
    await turn()
    expect([ran, ends.map(({ state }) => state)]).toEqual([[1, 2, 3], Array(3).fill('fulfilled')])
  })
})
