/**
 * What the executor promises at the edges of its options: refusals that are none of load, room that is made, schemas that
 * take their time.
 */
import { QueuedExecutor, type QueuedExecutorOptions } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test } from 'vitest'

function timed(options: QueuedExecutorOptions<number> = {}) {
  const clock = new VirtualClock()
  const started: number[] = []
  const run = async (ms: number) => {
    started.push(ms)
    await clock.sleep(ms)
    return ms
  }
  const queue = new QueuedExecutor(run, { clock, concurrency: 1, ...options } as QueuedExecutorOptions<number>)
  const send = (ms: number, more: object = {}) => queue.execute(ms, more).catch(({ code }) => code)
  return { clock, queue, started, send }
}

/** A schema that answers when it is told to. */
function slowSchema() {
  const answers: ((answer: object) => void)[] = []
  const validate = () => new Promise<object>((resolve) => answers.push(resolve))
  return { schema: { '~standard': { version: 1, vendor: 'test', validate } } as never, answers }
}

describe('offer()', () => {
  test('has nothing for one whose signal was aborted', () => {
    expect(timed().queue.offer(1, { signal: AbortSignal.abort() })).toBeUndefined()
  })

  test('says that an asynchronous schema is not for it', () => {
    const { queue } = timed({ schema: slowSchema().schema })
    const expected = 'synchronous for offer(); use submit()'
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

describe('who is blocked comes in at once', () => {
  test('when it resumes', async () => {
    const { clock, queue, send } = timed({ maxQueueSize: 1, whenFull: 'block' })
    queue.pause()
    const ends = [send(1), send(2)]
    expect(queue.getStatus()).toMatchObject({ waiting: 1, blocked: 1 })
    queue.resume()
    expect(queue.getStatus().blocked).toBe(0)
    await clock.run({ until: Promise.all(ends) })
  })

  test('when there are more slots', async () => {
    const { clock, queue, send } = timed({ maxQueueSize: 1, whenFull: 'block' })
    const ends = [send(5)]
    await clock.settle()
    ends.push(send(1), send(2))
    expect(queue.getStatus()).toMatchObject({ waiting: 1, blocked: 1 })
    queue.concurrency = 2
    expect(queue.getStatus().blocked).toBe(0)
    await clock.run({ until: Promise.all(ends) })
  })
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
