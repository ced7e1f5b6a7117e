/**
 * A request may take several slots: it gets them all at once, nobody overtakes it, and it gives them all back.
 */
import { aimd, QueuedExecutor, type QueuedExecutorOptions, type RequestOptions } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'

function timed(options: QueuedExecutorOptions<string> = {}) {
  const clock = new VirtualClock()
  const started: string[] = []
  const letGo = new Map<string, () => void>()
  const queue = new QueuedExecutor(
    async (name: string, run) => {
      started.push(`${name} at ${clock.now()}`)
      if (name.startsWith('deaf')) await new Promise<void>((resolve) => letGo.set(name, resolve))
      else await clock.sleep(10, { signal: run.signal })
      return name
    },
    { clock, concurrency: options.limit === undefined ? 4 : undefined, ...options } as QueuedExecutorOptions<string>,
  )
  const send = (name: string, cost: number, more: RequestOptions = {}) =>
    queue.execute(name, { cost, ...more }).catch((error) => error)
  return { clock, queue, started, send, letGo }
}

describe('a request that costs several slots', () => {
  test('takes them all, gives them all back, and all of them are shown as busy with it', async () => {
    const { clock, queue, started, send } = timed()
    const ends = [send('wide', 3), send('one', 1), send('two', 1), send('wide again', 4)]
    await clock.settle()
    expect(queue.getStatus()).toMatchObject({ running: 2, activeWorkers: 4, waiting: 2, maxWorkers: 4 })
    const workers = queue.getWorkerHealth()
    const wide = workers.filter(({ currentRequest }) => currentRequest === workers[0]?.currentRequest)
    expect(wide).toHaveLength(3)
    expect(workers.every(({ currentRequest, since }) => currentRequest !== null && since === 0)).toBe(true)
    await clock.run({ until: Promise.all(ends) })
    expect(started).toEqual(['wide at 0', 'one at 0', 'two at 10', 'wide again at 20'])
    expect(queue.getStatus()).toMatchObject({ running: 0, activeWorkers: 0, waiting: 0 })
    expect(queue.getWorkerHealth().filter(({ currentRequest }) => currentRequest !== null)).toEqual([])
  })

  test('lets those behind it start as soon as it leaves the line', async () => {
    for (const how of ['cancel', 'abort', 'expire'] as const) {
      const { clock, queue, started, send } = timed({ concurrency: 2 })
      const stop = new AbortController()
      const more = how === 'expire' ? { waitTimeoutMs: 5 } : { id: 'wide', signal: stop.signal }
      const ends = [send('a', 1), send('wide', 2, more), send('b', 1)]
      await clock.advance(5)
      if (how === 'cancel') queue.cancel('wide')
      if (how === 'abort') stop.abort()
      await clock.run({ until: Promise.all(ends) })
      expect(started).toEqual(['a at 0', 'b at 5'])
    }
  })

  test('waits until there are enough, and nobody behind it overtakes it', async () => {
    const { clock, started, send } = timed()
    const ends = [send('a', 1), send('b', 1), send('c', 2)]
    await clock.advance(5)
    ends.push(send('wide', 3), send('d', 1), send('urgent', 1, { priority: 'urgent' }))
    await clock.run({ until: Promise.all(ends) })
    expect(started.slice(3)).toEqual(['urgent at 10', 'wide at 10', 'd at 20'])
  })

  test('hands several slots on at once', async () => {
    const { clock, started, send } = timed()
    const ends = [send('wide', 4), ...['a', 'b', 'c', 'd', 'e'].map((name) => send(name, 1))]
    await clock.run({ until: Promise.all(ends) })
    expect(started).toEqual(['wide at 0', 'a at 10', 'b at 10', 'c at 10', 'd at 10', 'e at 20'])
  })

  test('is refused when it costs more than it can ever have', async () => {
    const { queue } = timed({ reserve: { urgent: 1 } })
    for (const [cost, expected] of [
      [0, 'an integer of at least 1'],
      [1.5, 'an integer of at least 1'],
      ['2', 'an integer of at least 1'],
      [Number.NaN, 'an integer of at least 1'],
      [4, 'at most 3, the slots that it can have'],
    ] as [number, string][]) {
      await expect(queue.execute('wide', { cost })).rejects.toThrow(`Option 'cost': expected ${expected}`)
    }
    await expect(queue.execute('wide', { cost: 5, priority: 'urgent' })).rejects.toThrow('at most 4')
    queue.concurrency = 6
    const admitted = await queue.submit('wide', { cost: 5 })
    expect(admitted.cancel()).toBe(true)
    const lending = timed({ reserve: { urgent: 1 }, lendReserve: true })
    await expect(lending.queue.submit('wide', { cost: 4 })).resolves.toMatchObject({ state: 'running' })
  })

  test('runs alone when the limit has become smaller than what it takes', async () => {
    const { clock, queue, started, send } = timed()
    const ends = [send('a', 1), send('b', 1), send('wide', 4), send('c', 1)]
    await clock.advance(1)
    queue.concurrency = 2
    await clock.run({ until: Promise.all(ends) })
    expect(started).toEqual(['a at 0', 'b at 0', 'wide at 10', 'c at 20'])

    const learned = timed({ limit: aimd({ initial: 2, min: 1, max: 2 }) })
    await learned.clock.run({ until: Promise.all([learned.send('wide', 9), learned.send('a', 1)]) })
    expect(learned.started).toEqual(['wide at 0', 'a at 10'])
  })

  test('leaves to others the slots that are reserved for them', async () => {
    const { clock, started, send } = timed({ reserve: { urgent: 1 } })
    const ends = [send('a', 1), send('wide', 3), send('b', 1)]
    await clock.advance(1)
    ends.push(send('urgent', 1, { priority: 'urgent' }), send('wide urgent', 2, { priority: 'urgent' }))
    await clock.run({ until: Promise.all(ends) })
    // At 10 two slots are free, and one more at 11; then the fourth is urgent's.
    expect(started).toEqual(['a at 0', 'urgent at 1', 'wide urgent at 1', 'wide at 11', 'b at 21'])
  })

  test('counts for the floor of its priority with all of its slots', async () => {
    const { clock, started, send, letGo } = timed({ reserve: { low: 2 }, lendReserve: true })
    const ends = [send('deaf low', 2, { priority: 'low' }), send('a', 1), send('b', 1)]
    await clock.advance(1)
    ends.push(send('low', 1, { priority: 'low' }), send('c', 1), send('d', 1))
    await clock.advance(9)
    // Low has its floor: it goes last.
    expect(started.slice(3)).toEqual(['c at 10', 'd at 10'])
    letGo.get('deaf low')?.()
    await clock.run({ until: Promise.all(ends) })
    expect(started.slice(5)).toEqual(['low at 10'])
  })

  test('is stuck with all of its slots, and substitutes are granted for as many as the cap allows', async () => {
    const options = { runTimeoutMs: 5, onStuck: 'replace', maxReplaced: 2 } as const
    const { clock, queue, started, send, letGo } = timed(options)
    const ends = [send('deaf', 3), send('a', 1), send('b', 1), send('c', 1)]
    await clock.advance(5)
    expect(queue.getStatus()).toMatchObject({ stuckWorkers: 3, replacedWorkers: 2, activeWorkers: 5, waiting: 0 })
    letGo.get('deaf')?.()
    await clock.run({ until: Promise.all(ends) })
    expect(queue.getStatus()).toMatchObject({ stuckWorkers: 0, replacedWorkers: 0, activeWorkers: 0 })
    expect(started).toEqual(['deaf at 0', 'a at 0', 'b at 5', 'c at 5'])
  })

  test('gives its slots back when a listener ends it in the very moment of its start', async () => {
    const { clock, queue, started, send } = timed()
    queue.once('started', ({ id }) => queue.cancel(id as string))
    const ends = [send('wide', 4, { id: 'wide' }), send('a', 1), send('b', 3)]
    await clock.run({ until: Promise.all(ends) })
    expect(started).toEqual(['a at 0', 'b at 0'])
    expect(queue.getStatus()).toMatchObject({ activeWorkers: 0, running: 0, waiting: 0 })
  })

  test('that leaves before its turn lets newcomers have the free slots again, beside what may wait', async () => {
    const { clock, queue, started, send } = timed({ maxQueueSize: 1 })
    const first = send('a', 1)
    await clock.settle()
    const wide = await queue.submit('wide', { cost: 4 })
    wide.result.catch(() => {})
    await clock.settle()
    expect(wide.cancel()).toBe(true)
    const ends = [first, ...['b', 'c', 'd', 'e'].map((name) => send(name, 1))]
    expect(queue.getStatus()).toMatchObject({ waiting: 1, activeWorkers: 4 })
    expect(await send('f', 1)).toMatchObject({ code: 'TRIAGE_QUEUE_FULL' })
    await clock.run({ until: Promise.all(ends) })
    expect(started).toEqual(['a at 0', 'b at 0', 'c at 0', 'd at 0', 'e at 10'])
  })

  test('reserves no free slot in its burst, and ends the reservations of others', async () => {
    const { clock, queue, send } = timed({ maxQueueSize: 3 })
    const ends = [send('a', 1), send('b', 1)]
    expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 2 })
    ends.push(send('wide', 2))
    expect(queue.getStatus()).toMatchObject({ waiting: 3, running: 0 })
    const error = await send('c', 1)
    expect(error).toMatchObject({ code: 'TRIAGE_QUEUE_FULL' })
    await clock.run({ until: Promise.all(ends) })
  })

  test('is blocked, or displaces nobody, where its burst has no room for it; nobody passes it', async () => {
    const blocking = timed({ maxQueueSize: 1, whenFull: 'block' })
    const ends = [blocking.send('a', 1), blocking.send('wide', 2), blocking.send('b', 1, { priority: 'urgent' })]
    // The urgent one goes before it, and there is room.
    expect(blocking.queue.getStatus()).toMatchObject({ running: 2, blocked: 1 })
    expect(blocking.queue.offer('c')).toBeUndefined()
    await blocking.clock.run({ until: Promise.all(ends) })
    expect(blocking.started).toEqual(['b at 0', 'a at 0', 'wide at 0'])

    const shedding = timed({ maxQueueSize: 1, whenFull: 'shed' })
    const low = ['a', 'b'].map((name) => shedding.send(name, 1, { priority: 'low' }))
    expect(await shedding.send('wide', 2)).toMatchObject({ code: 'TRIAGE_QUEUE_FULL' })
    await shedding.clock.run({ until: Promise.all(low) })
    expect(shedding.started).toEqual(['a at 0', 'b at 0'])
  })

  test('keeps its cost when it is tried again, and when it starts later', async () => {
    const { clock, started, send } = timed()
    const failing = new QueuedExecutor<string, string>(
      async (name) => {
        started.push(`${name} at ${clock.now()}`)
        await clock.sleep(10)
        throw new Error(name)
      },
      { clock, concurrency: 2, retry: { name: 'once more', delayMs: ({ attempt }) => (attempt < 2 ? 5 : undefined) } },
    )
    const ends = [failing.execute('fails', { cost: 2 }).catch(() => {}), clock.sleep(14)]
    await clock.advance(14)
    ends.push(failing.execute('light').catch(() => {}))
    await clock.run({ until: Promise.all(ends) })
    expect(started).toEqual(['fails at 0', 'light at 14', 'fails at 24', 'light at 34'])
    started.length = 0
    const from = clock.now()
    const later = [send('wide', 4, { delayMs: 5 }), send('a', 1)]
    await clock.run({ until: Promise.all(later) })
    expect(started).toEqual([`a at ${from}`, `wide at ${from + 10}`])
  })

  test('is what the closing executor waits for, also from inside of itself', async () => {
    const clock = new VirtualClock()
    const queue: QueuedExecutor<string, void> = new QueuedExecutor(
      async (name: string) => {
        if (name === 'closes') await queue.close()
        else await clock.sleep(10)
      },
      { clock, concurrency: 3 },
    )
    const ends = [queue.execute('closes'), queue.execute('wide', { cost: 3 })].map((end) => end.catch((error) => error))
    await clock.run({ until: Promise.all(ends) })
    expect(queue.getStatus()).toMatchObject({ state: 'closed', activeWorkers: 0 })
  })
})

test('an order policy is told what a request costs', async () => {
  const asked: number[] = []
  const order = { name: 'asks', acrossTiers: false, rank: ({ cost }: { cost: number }) => asked.push(cost) }
  const { clock, send } = timed({ order })
  await clock.run({ until: Promise.all([send('a', 1), send('wide', 3)]) })
  expect(asked).toEqual([1, 3])
})

test('those behind one that needs more room come in when it gives up, and are not passed', async () => {
  const clock = new VirtualClock()
  const queue = new QueuedExecutor(() => clock.sleep(1), { clock, concurrency: 2, maxQueueSize: 1, whenFull: 'block' })
  const ends = [queue.execute('reserves a slot')]
  queue.pause()
  ends.push(queue.execute('wide', { cost: 2, timeoutMs: 1 }).catch((error) => error))
  const behind = queue.submit('behind')
  await clock.advance(1)
  expect(queue.getStatus()).toMatchObject({ waiting: 1, blocked: 0 })
  ends.push(queue.execute('newcomer'))
  expect(queue.getStatus()).toMatchObject({ waiting: 1, blocked: 1 })
  queue.resume()
  await clock.run({ until: Promise.all([...ends, behind.then(({ result }) => result)]) })
})
