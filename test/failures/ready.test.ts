/**
 * `while (!queue.offer(request)) await queue.ready()`: it neither spins nor sleeps for ever, whatever keeps requests out.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  circuitBreaker,
  type Guard,
  QueuedExecutor,
  type QueuedExecutorOptions,
  shedByPriority,
  tokenBucket,
} from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'
import { busy, Gate, gated, turn, watch } from './support.ts'

/** Says no for as long as it is shut, and counts how often it is asked. */
function door(retryAfterMs?: number) {
  const seen = { shut: true, asked: 0, probes: 0, throws: false, last: undefined as unknown }
  const guard: Guard = {
    name: 'door',
    admit({ probe, request, metadata }) {
      seen.asked++
      if (probe) seen.probes++
      seen.last = { request, metadata }
      if (seen.throws) throw new Error('broken')
      if (!seen.shut) return undefined
      return { rule: 'door', compared: {}, wouldAdmit: 'one', ...(retryAfterMs !== undefined && { retryAfterMs }) }
    },
  }
  return { guard, seen }
}

/** Offers a request until it is in; counts the refusals. */
async function insist(queue: QueuedExecutor<string, unknown>, request: string, refused: { times: number }) {
  while (queue.offer(request) === undefined) {
    refused.times++
    await queue.ready()
  }
}

describe('a guard that says no', () => {
  test.each([0, 1, 5])(
    'never keeps the event loop to itself; it refuses once for each question: %i offers at once',
    async (more) => {
      const { guard, seen } = door()
      const gate = new Gate()
      const queue = new QueuedExecutor<string, unknown>(gate.executor, { overload: guard })
      const refused = { times: 0 }
      // The guard lets in who only asks, and refuses whoever comes.
      const admit = guard.admit as NonNullable<Guard['admit']>
      guard.admit = (question) => (question.probe ? undefined : admit(question))
      const all = [...Array(more + 1).keys()].map((n) => watch(insist(queue, `${n}`, refused)))
      let turns = 0
      for (; turns < 20; turns++) await nextTurn()
      expect(turns).toBe(20)
      expect(refused.times).toBeGreaterThan(5)
      expect(refused.times).toBeLessThanOrEqual(22 * (more + 1))
      seen.shut = false
      await Promise.all(all.map(({ done }) => done))
      await gate.finishAll()
      await queue.close()
    },
  )

  test.each([
    [undefined, 1_000],
    [0, 1_000],
    [Number.NaN, 1_000],
    [250, 250],
  ])('is asked again at the time that it has named (%s), or after a second', async (retryAfterMs, expected) => {
    const { guard, seen } = door(retryAfterMs)
    const { clock, queue } = gated({ overload: guard })
    const ready = watch(queue.ready())
    await turn()
    expect([ready.state, seen.asked, clock.timers]).toEqual(['pending', 1, 1])
    await clock.advance(expected - 1)
    expect(seen.asked).toBe(1)
    await clock.advance(1)
    expect([ready.state, seen.asked]).toEqual(['pending', 2])
    seen.shut = false
    await clock.advance(expected)
    expect([ready.state, seen.asked, seen.probes, clock.timers]).toEqual(['fulfilled', 3, 3, 0])
  })

  test('is asked again when a run ends', async () => {
    const { guard, seen } = door(60_000)
    seen.shut = false
    const { gate, queue } = await busy({ overload: guard })
    seen.shut = true
    const ready = watch(queue.ready())
    await turn()
    expect(ready.state).toBe('pending')
    seen.shut = false
    await gate.finish('busy 0')
    expect(ready.state).toBe('fulfilled')
  })

  test('is told the request, its metadata, and that it is only asked', async () => {
    const { guard, seen } = door()
    seen.shut = false
    const { queue } = gated({ overload: guard })
    await queue.ready('low', { request: 'payload', metadata: { tenant: 'a' } })
    expect(seen.last).toEqual({ request: 'payload', metadata: { tenant: 'a' } })
    expect(seen.probes).toBe(1)
    await queue.ready('low')
    expect(seen.last).toEqual({ request: undefined, metadata: undefined })
  })

  test('that throws rejects the one who asks: at once, or when it is asked again', async () => {
    const { guard, seen } = door()
    const { clock, queue } = gated({ overload: guard })
    const later = watch(queue.ready())
    await turn()
    seen.throws = true
    const now = watch(queue.ready())
    await turn()
    expect(now.error).toMatchObject({ message: 'broken' })
    await clock.advance(1_000)
    expect(later.error).toMatchObject({ message: 'broken' })
    expect(clock.timers).toBe(0)
  })

  test('that makes room whenever it is asked does not go on for ever', async () => {
    const { guard } = door()
    const admit = guard.admit as NonNullable<Guard['admit']>
    let resized = 0
    guard.admit = (question) => {
      if (question.probe) queue.concurrency = 1 + (++resized % 2)
      return admit(question)
    }
    const { queue } = gated({ overload: guard })
    const ready = watch(queue.ready())
    for (let turns = 0; turns < 10; turns++) await turn()
    expect(ready.state).toBe('pending')
    expect(resized).toBeLessThan(25)
    void queue.close()
    await turn()
    expect(ready.outcome).toBe('TRIAGE_QUEUE_CLOSED')
  })
})

describe('whoever only asks', () => {
  test('takes no token, and changes no rate', async () => {
    const { clock, queue } = gated({ concurrency: 9, rateLimit: tokenBucket({ perSecond: 1, burst: 2 }) })
    for (let i = 0; i < 20; i++) await queue.ready()
    expect([queue.offer('a'), queue.offer('b'), queue.offer('c')].map((handle) => handle !== undefined)).toEqual([
      true,
      true,
      false,
    ])
    const ready = watch(queue.ready())
    await clock.advance(999)
    expect(ready.state).toBe('pending')
    await clock.advance(1)
    expect(ready.state).toBe('fulfilled')
    expect(queue.offer('d')).toBeDefined()
  })

  test('is not among those who came last, and takes nothing of the trickle', async () => {
    const guard = shedByPriority({ softFactor: 1, hardFactor: 2, trickle: 0.5 })
    const question = { at: 0, tier: 2, request: 0, metadata: 0, waitMs: 0, deadline: 0, ahead: 3, waiting: 3 }
    const about = { ...question, running: 2, concurrency: 2, free: 0, recentRunMs: 1, predictedWaitMs: 1, pausedMs: 0 }
    const tokens = { bucket: 0, tokens: 1, tokensAhead: 0 }
    const admit = guard.admit as NonNullable<Guard['admit']>
    const answers = (probe: boolean) => admit.call(guard, { ...about, ...tokens, probe }) === undefined
    // A half is refused, and of these a half comes in all the same.
    const asked = (times: number): boolean[] => Array.from({ length: times }, () => answers(true))
    expect(answers(false)).toBe(false)
    const first = asked(3)
    expect(new Set(first).size).toBe(1)
    const second = answers(false)
    expect(second).toBe(first[0])
  })

  test('does not count as a probe of a breaker', async () => {
    const { clock, gate, queue } = gated({ overload: circuitBreaker({ minimumRequests: 1, openMs: 500, probes: 1 }) })
    const failing = watch(queue.execute('fails'))
    await turn()
    await gate.fail('fails', new Error('down'))
    expect(failing.state).toBe('rejected')
    const ready = [watch(queue.ready()), watch(queue.ready())]
    await clock.advance(499)
    expect(ready.map(({ state }) => state)).toEqual(['pending', 'pending'])
    await clock.advance(1)
    expect(ready.map(({ state }) => state)).toEqual(['fulfilled', 'fulfilled'])
    expect(queue.offer('probe')).toBeDefined()
  })
})

describe('it does not pass', () => {
  test('callers who are blocked', async () => {
    const { gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'block' })
    for (const name of ['waits', 'blocked 1', 'blocked 2']) watch(queue.execute(name))
    const ready = watch(queue.ready())
    await gate.finish('busy 0')
    expect([ready.state, queue.getStatus().blocked]).toEqual(['pending', 1])
    await gate.finish('waits')
    expect([ready.state, queue.getStatus().blocked]).toEqual(['pending', 0])
    await gate.finish('blocked 1')
    expect(ready.state).toBe('fulfilled')
    await gate.finishAll()
  })

  test('a blocked caller when a policy asks in the moment between a start and that one’s admission', async () => {
    let ready = watch(Promise.resolve())
    const overload: Guard = {
      name: 'test',
      started: ({ request }) => {
        if (request === 'waits') ready = watch(queue.ready())
      },
    }
    const { gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'block', overload })
    for (const name of ['waits', 'blocked']) watch(queue.execute(name))
    await gate.finish('busy 0')
    expect([queue.getStatus().blocked, queue.getStatus().waiting, ready.state]).toEqual([0, 1, 'pending'])
    await gate.finishAll()
    expect(ready.state).toBe('fulfilled')
  })

  test('… but those who are blocked for the bound of another priority hold nobody back', async () => {
    const { gate, queue } = await busy({ maxQueueSize: { total: 10, low: 1 }, whenFull: 'block' })
    for (const name of ['low 1', 'low 2']) watch(queue.execute(name, { priority: 'low' }))
    const ready = watch(queue.ready('normal'))
    await turn()
    expect([queue.getStatus().blocked, ready.state]).toEqual([1, 'fulfilled'])
    await gate.finishAll()
  })

  test('and displaces nobody: under shed it waits for room', async () => {
    const { gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'shed' })
    watch(queue.execute('low', { priority: 'low' }))
    const ready = watch(queue.ready('urgent'))
    await turn()
    expect(ready.state).toBe('pending')
    await gate.finish('busy 0')
    expect(ready.state).toBe('fulfilled')
    await gate.finishAll()
  })
})

describe('who asks counts as live', () => {
  const options = (): QueuedExecutorOptions<string> & { clock: VirtualClock } => ({
    clock: new VirtualClock(),
    debug: true,
    overload: door(5_000).guard,
  })

  test('for the timer, and not for idle(); close() ends it, and leaves no timer', async () => {
    const { clock, ...others } = options()
    const queue = new QueuedExecutor<string, unknown>(new Gate().executor, { clock, ...others })
    const caller = new AbortController()
    const ready = watch(queue.ready())
    await queue.idle()
    expect([ready.state, clock.timers]).toEqual(['pending', 1])
    await clock.advance(20_000)
    expect([ready.state, clock.timers]).toEqual(['pending', 1])
    await queue.close()
    expect([ready.outcome, clock.timers]).toEqual(['TRIAGE_QUEUE_CLOSED', 0])
    caller.abort()
  })

  test('also while nothing else is live: in the middle of its wait others come and go', async () => {
    const { guard, seen } = door(5_000)
    const admit = guard.admit as NonNullable<Guard['admit']>
    guard.admit = (question) => (question.probe ? admit(question) : undefined)
    const { clock, gate, queue } = gated({ overload: guard, debug: true })
    const ready = watch(queue.ready())
    const other = watch(queue.execute('other'))
    await gate.finishAll()
    expect([other.state, ready.state, clock.timers]).toEqual(['fulfilled', 'pending', 1])
    seen.shut = false
    await clock.advance(5_000)
    expect([ready.state, clock.timers]).toEqual(['fulfilled', 0])
  })

  test('while the executor is paused and full: resume() lets it go on', async () => {
    const { clock, gate, queue } = gated({ maxQueueSize: 1 })
    queue.pause()
    watch(queue.execute('waits'))
    const ready = watch(queue.ready())
    await clock.advance(1e9)
    expect(ready.state).toBe('pending')
    queue.resume()
    await turn()
    expect(ready.state).toBe('fulfilled')
    await gate.finishAll()
  })
})

test('between a refusal and the next answer the event loop has a turn, for those too who asked before', async () => {
  const { gate, queue } = await busy({ maxQueueSize: 1 })
  watch(queue.execute('waits'))
  const before = watch(queue.ready())
  await turn()
  // Room is made and another one is refused in one turn.
  expect(queue.offer('refused')).toBeUndefined()
  gate.call('busy 0').finish()
  for (let microtasks = 0; microtasks < 50; microtasks++) await undefined
  expect([queue.getStatus().waiting, before.state]).toEqual([0, 'pending'])
  await turn()
  expect(before.state).toBe('fulfilled')
  await gate.finishAll()
})

test('10,000 who ask for one place are told by one turn, and none is left', async () => {
  const { clock, gate, queue } = await busy({ maxQueueSize: 1 })
  watch(queue.execute('waits'))
  const all = Array.from({ length: 10_000 }, () => watch(queue.ready()))
  await gate.finish('busy 0')
  await turn()
  expect(all.filter(({ state }) => state !== 'fulfilled')).toEqual([])
  await gate.finishAll()
  expect(clock.timers).toBe(0)
})

test('what is no description of a request is refused', async () => {
  const { queue } = gated()
  const wrong = [null, 'payload', { prompt: 'payload' }] as unknown as { request: string }[]
  for (const about of wrong) {
    await expect(queue.ready('low', about)).rejects.toMatchObject({ code: 'TRIAGE_INVALID_OPTIONS' })
  }
})
