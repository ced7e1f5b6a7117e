/**
 * What the executor promises at the edges of its options: refusals that are none of load, room that is made, schemas that
 * take their time.
 */
import { describe, expect, test, vi } from 'vitest'
import { timed } from './timed.ts'

/** A schema that answers when it is told to. */
function slowSchema() {
  const answers: ((answer: object) => void)[] = []
  const validate = () => new Promise<object>((resolve) => answers.push(resolve))
  return { schema: { '~standard': { version: 1, vendor: 'test', validate } } as never, answers }
}

describe('offer()', () => {
  test('displaces, where newcomers may', async () => {
    const { clock, queue, send } = timed({ maxQueueSize: 1, whenFull: 'shed' })
    queue.pause()
    const low = send(1, { priority: 'low' })
    expect(queue.offer(2, { priority: 'urgent' })?.state).toBe('waiting')
    expect(await low).toBe('TRIAGE_SHED')
    queue.resume()
    await clock.run()
  })

  test('has nothing for one whose signal was aborted', () => {
    expect(timed().queue.offer(1, { signal: AbortSignal.abort() })).toBeUndefined()
  })

  test('says that an asynchronous schema is not for it', () => {
    const { queue } = timed({ schema: slowSchema().schema })
    const expected = 'a synchronous one for offer(), or submit()'
    const error = { path: 'schema', expected, received: 'an asynchronous schema' }
    expect(() => queue.offer(1)).toThrow(expect.objectContaining(error))
  })
})

test('map() gives the results in the order of the source, unless it is told not to', async () => {
  const { clock, queue } = timed({ concurrency: 3 })
  const all = async (options?: { ordered: boolean }): Promise<number[]> => {
    const results: number[] = []
    for await (const result of queue.map([30, 10, 20], options)) results.push(result)
    return results
  }
  const [ordered, unordered] = [all(), all({ ordered: false })]
  await clock.run({ until: Promise.all([ordered, unordered]) })
  expect(await ordered).toEqual([30, 10, 20])
  expect(await unordered).not.toEqual([30, 10, 20])
})

test('a handle that get() gave has the answer also when it is asked for afterwards', async () => {
  const { clock, queue, send } = timed()
  const end = send(5, { id: 'mine' })
  const handle = queue.get('mine')
  await clock.run({ until: end })
  expect(await handle?.result).toBe(5)
})

test('where a slot is free there is room, also when the queue is full of those who start later', async () => {
  const { clock, queue, send } = timed({ maxQueueSize: 1 })
  const later = send(1, { delayMs: 50 })
  const ready = vi.fn()
  queue.ready().then(ready)
  await clock.settle()
  expect([queue.getStatus().waiting, ready.mock.calls.length]).toEqual([1, 1])
  const now = send(2)
  await clock.run({ until: Promise.all([later, now]) })
  expect(await Promise.all([later, now])).toEqual([1, 2])
})

describe('another priority', () => {
  test('for one who leaves the bound of its old one: who is blocked by that comes in', async () => {
    const { clock, queue, send } = timed({ maxQueueSize: { total: 9, low: 1 }, whenFull: 'block' })
    queue.pause()
    const handle = queue.submit(1, { priority: 'low' })
    const ends = [send(2, { priority: 'low' })]
    expect(queue.getStatus()).toMatchObject({ waiting: 1, blocked: 1 })
    expect((await handle).setPriority('normal')).toBe(true)
    expect(queue.getStatus()).toMatchObject({ waiting: 2, blocked: 0 })
    queue.resume()
    await clock.run({ until: Promise.all(ends) })
  })

  test('that it has already is no news, and is had', async () => {
    const { clock, queue } = timed({ maxQueueSize: { total: 9, low: 1 } })
    queue.pause()
    const handle = await queue.submit(1, { priority: 'low' })
    expect(handle.setPriority('low')).toBe(true)
    queue.resume()
    await clock.run({ until: handle.result })
  })
})

test('once closed it refuses for that, also one whose signal was aborted', async () => {
  const { queue } = timed()
  await queue.close()
  const reasons: unknown[] = []
  queue.on('rejected', ({ reason }) => reasons.push(reason))
  await expect(queue.execute(1, { signal: AbortSignal.abort('gone') })).rejects.toThrow(/closed/)
  expect(reasons).toEqual(['queue_closed'])
})

test('who may displace nobody is told that the queue is full', async () => {
  const { clock, queue, send } = timed({ maxQueueSize: 1, whenFull: 'shed' })
  queue.pause()
  const end = send(1)
  expect(await queue.execute(2).catch((error) => error)).toMatchObject({ code: 'TRIAGE_QUEUE_FULL', bound: 'total' })
  queue.resume()
  await clock.run({ until: end })
})

test('durations are counted from when each began, whatever the clock says', async () => {
  const { clock, queue, send } = timed({ runTimeoutMs: 10 })
  await clock.advance(1_000)
  const told: unknown[] = []
  queue.on('started', ({ waitMs }) => told.push(['started', waitMs]))
  queue.on('stuck', ({ runMs }) => told.push(['stuck', runMs]))
  const before = send(4)
  const error = queue.execute(50).catch(({ ranMs }) => ranMs)
  await clock.run({ until: Promise.all([before, error]) })
  expect(told).toEqual([
    ['started', 0],
    ['started', 4],
    ['stuck', 10],
  ])
  expect(await error).toBe(10)
  await clock.run({ until: queue.close() })
})

test('drain() closes it, and waits for what runs', async () => {
  const { clock, queue, send } = timed()
  const end = send(5)
  await clock.run({ until: queue.drain() })
  expect([await end, clock.now(), queue.getStatus().state]).toEqual([5, 5, 'closed'])
})

test('under a limit that is only a shadow, nobody may cost more than `concurrency`', async () => {
  const limit = { name: 'mine', initial: 9, shadow: true, sample: () => 9 }
  const { send } = timed({ limit, concurrency: 2 })
  expect(await send(1, { cost: 3 })).toBe('TRIAGE_INVALID_OPTIONS')
})

test('where the bound of its own priority is reached, nobody is shed for it', async () => {
  const { clock, queue, send } = timed({ maxQueueSize: { total: 9, urgent: 1 }, whenFull: 'shed' })
  queue.pause()
  const ends = [send(1, { priority: 'low' }), send(2, { priority: 'urgent' })]
  expect(await send(3, { priority: 'urgent' })).toBe('TRIAGE_QUEUE_FULL')
  queue.resume()
  await clock.run({ until: Promise.all(ends) })
  expect(await Promise.all(ends)).toEqual([1, 2])
})

test('a signal that can’t be listened to refuses its request', async () => {
  const signal = {
    aborted: false,
    addEventListener: () => {
      throw new Error('deaf')
    },
    removeEventListener: () => {},
  }
  await expect(timed().queue.execute(1, { signal: signal as never })).rejects.toThrow('deaf')
})

describe('while a schema looks at it', () => {
  test('its time goes on; an answer that comes too late changes nothing', async () => {
    const { schema, answers } = slowSchema()
    const { clock, queue, started, send } = timed({ schema })
    const end = send(1, { waitTimeoutMs: 5 })
    await clock.advance(5)
    expect(await end).toBe('TRIAGE_WAIT_TIMEOUT')
    answers[0]?.({ value: 1 })
    await clock.advance(10)
    expect([started, queue.getStatus().totals.admitted]).toEqual([[], 0])
  })

  test('close() refuses it', async () => {
    const { schema } = slowSchema()
    const { clock, queue, send } = timed({ schema })
    const end = send(1)
    await clock.run({ until: queue.close() })
    expect(await end).toBe('TRIAGE_QUEUE_CLOSED')
  })

  test('it is live: nothing rests before the answer', async () => {
    const { schema, answers } = slowSchema()
    const { clock, queue, send } = timed({ schema })
    const end = send(1)
    let rests = false
    const idle = queue.idle().then(() => {
      rests = true
    })
    await clock.settle()
    expect(rests).toBe(false)
    answers[0]?.({ issues: [{ message: 'no' }] })
    await idle
    expect(await end).toBe('TRIAGE_INVALID_REQUEST')
  })

  test('and when it leaves, the last one, all is at rest', async () => {
    const { schema } = slowSchema()
    const { clock, queue } = timed({ schema })
    const stop = new AbortController()
    const end = queue.execute(1, { signal: stop.signal }).catch((reason) => reason)
    const idle = queue.idle()
    stop.abort('enough')
    await idle
    expect([await end, clock.timers]).toEqual(['enough', 0])
  })

  test('and afterwards its signal counts', async () => {
    const { schema, answers } = slowSchema()
    const { clock, queue } = timed({ schema })
    const stop = new AbortController()
    queue.pause()
    const end = queue.execute(1, { signal: stop.signal }).catch((reason) => reason)
    await clock.settle()
    answers[0]?.({ value: 1 })
    await clock.settle()
    expect(queue.getStatus().waiting).toBe(1)
    stop.abort('enough')
    expect(await end).toBe('enough')
  })
})
