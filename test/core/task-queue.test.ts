/** Tasks as requests: what `TaskQueue` adds to a `QueuedExecutor`. The types are in `test/types/tasks.ts`. */
import {
  backoff,
  fairBy,
  memoryStore,
  OptionsError,
  QueuedExecutor,
  type RunContext,
  type Task,
  TaskQueue,
} from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { describe, expect, test, vi } from 'vitest'

const fetched = Promise.resolve('fetched')
const noTask = { code: 'TRIAGE_INVALID_OPTIONS', path: 'task', expected: 'a function' }

describe('run()', () => {
  test('fulfils with the answer of the task, be it asynchronous, a thenable or there at once', async () => {
    const queue = new TaskQueue()
    // biome-ignore lint/suspicious/noThenProperty: that of another library
    const thenable: PromiseLike<number> = { then: (resolve, reject) => Promise.resolve(3).then(resolve, reject) }
    expect(await Promise.all([queue.run(async () => 1), queue.run(() => 2), queue.run(() => thenable)])).toEqual([
      1, 2, 3,
    ])
  })

  test('rejects with the own error of the task, whether it throws or rejects', async () => {
    const queue = new TaskQueue()
    const error = new Error('mine')
    const throws = () => {
      throw error
    }
    await expect(queue.run(throws)).rejects.toBe(error)
    await expect(queue.run(() => Promise.reject(error))).rejects.toBe(error)
  })

  test('never calls a task on the stack of its caller, and calls the urgent one of a burst first', async () => {
    const queue = new TaskQueue({ concurrency: 1 })
    const called: string[] = []
    const low = queue.run(() => called.push('low'), { priority: 'low' })
    const urgent = queue.run(() => called.push('urgent'), { priority: 'urgent' })
    expect(called).toEqual([])
    await Promise.all([low, urgent])
    expect(called).toEqual(['urgent', 'low'])
  })

  test('hands the task its run', async () => {
    const queue = new TaskQueue()
    const seen = await queue.run((run: RunContext) => [run.id, run.metadata, run.attempt], { id: 'a', metadata: 7 })
    expect(seen).toEqual(['a', 7, 1])
    const { signal } = new AbortController()
    expect(await queue.run((run) => run.signal === signal || run.signal.aborted, { signal })).toBe(false)
  })

  test('calls a task again as the retry policy says', async () => {
    const clock = new VirtualClock()
    const queue = new TaskQueue({ clock, retry: backoff({ attempts: 3 }) })
    const task = vi.fn(({ attempt }: RunContext) => (attempt < 3 ? Promise.reject(new Error('no')) : 'third'))
    const answer = queue.run(task)
    await clock.run({ until: answer })
    expect(await answer).toBe('third')
    expect(task).toHaveBeenCalledTimes(3)
  })

  test.each([
    ['a promise', fetched],
    ['nothing', undefined],
    ['a name', 'load'],
  ])('refuses %s: what is no function was called already, or never will be', async (_, value) => {
    const queue = new TaskQueue()
    const listener = vi.fn()
    queue.on('queued', listener)
    for (const way of ['run', 'execute', 'submit'] as const) {
      const message = expect.stringContaining('give `() => load()`, not `load()`')
      await expect(queue[way](value as never)).rejects.toMatchObject({ ...noTask, received: value, message })
    }
    expect(() => queue.offer(value as never)).toThrow(OptionsError)
    expect(listener).not.toHaveBeenCalled()
    await expect(queue.map([value] as never).next()).rejects.toMatchObject(noTask)
  })
})

describe('the rest of an executor', () => {
  test('is there: execute, submit, offer, map, and the options', async () => {
    const queue = new TaskQueue({ concurrency: 1, maxQueueSize: 'none', name: 'tasks' })
    expect(queue).toBeInstanceOf(QueuedExecutor)
    expect(queue.settings).toMatchObject({ concurrency: 1, name: 'tasks', maxQueueSize: { total: 'none' } })
    expect(await queue.execute(() => 1)).toBe(1)
    const handle = await queue.submit(async () => 2)
    expect(await handle.result).toBe(2)
    expect(await queue.offer(() => 3)?.result).toBe(3)
    const answers: number[] = []
    for await (const answer of queue.map([() => 4, async () => 5])) answers.push(answer)
    expect(answers).toEqual([4, 5])
    const busy = queue.run(() => fetched)
    expect(queue.offer(() => 6)).toBeUndefined()
    await busy
    await queue.close()
    await expect(queue.run(() => 7)).rejects.toMatchObject({ code: 'TRIAGE_QUEUE_CLOSED', queue: 'tasks' })
  })

  test('takes its options as an executor does: unknown ones are refused, inherited ones count', () => {
    expect(() => new TaskQueue({ concurency: 1 } as never)).toThrow("Unknown option 'concurency'")
    expect(() => new TaskQueue(4 as never)).toThrow(OptionsError)
    expect(new TaskQueue(Object.create({ concurrency: 3 })).concurrency).toBe(3)
  })

  test('policies read the metadata of a task', async () => {
    const clock = new VirtualClock()
    const order = fairBy((_task: Task, { tenant }: { tenant: string }) => tenant)
    const queue = new TaskQueue({ clock, concurrency: 1, order })
    const called: string[] = []
    const run = (tenant: string) =>
      queue.run(({ metadata }) => clock.sleep(1).then(() => void called.push(metadata.tenant)), {
        metadata: { tenant },
      })
    await clock.run({ until: Promise.all(['a', 'a', 'a', 'b'].map(run)) })
    expect(called).toEqual(['a', 'b', 'a', 'a'])
  })
})

describe('tasks with one id', () => {
  test('share one call while it is live: two closures are never equal', async () => {
    const queue = new TaskQueue()
    const task = vi.fn(async () => 'answer')
    const answers = await Promise.all([1, 2, 3].map(() => queue.run(() => task(), { id: 'a' })))
    expect([answers, task.mock.calls.length]).toEqual([['answer', 'answer', 'answer'], 1])
    await queue.run(() => task(), { id: 'a' })
    expect(task).toHaveBeenCalledTimes(2)
  })

  test('do as the queue, or the one of them, says otherwise', async () => {
    expect(new TaskQueue().settings.onDuplicate).toBe('join-by-id')
    expect(new TaskQueue({ onDuplicate: undefined }).settings.onDuplicate).toBe('join-by-id')
    expect(new QueuedExecutor(() => 1).settings.onDuplicate).toBe('join')
    const queue = new TaskQueue({ onDuplicate: 'join' })
    const { promise, resolve } = Promise.withResolvers<number>()
    const first = queue.run(() => promise, { id: 'a' })
    await expect(queue.run(() => 1, { id: 'a' })).rejects.toMatchObject({ reason: 'payload' })
    await expect(queue.run(() => 1, { id: 'a', onDuplicate: 'reject' })).rejects.toMatchObject({ reason: 'live' })
    const second = queue.run(() => 2, { id: 'a', onDuplicate: 'join-by-id' })
    resolve(1)
    expect(await Promise.all([first, second])).toEqual([1, 1])
  })
})

describe('wrap()', () => {
  test('passes on arguments, this and the answer, and looks like what it wraps', async () => {
    const queue = new TaskQueue()
    const counter = {
      count: 1,
      add(this: { count: number }, a: number, b: number) {
        this.count += a + b
        return this.count
      },
    }
    const add = queue.wrap(counter.add)
    expect(await add.call(counter, 2, 3)).toBe(6)
    expect([add.name, add.length]).toEqual(['add', 2])
  })

  test('what it throws rejects', async () => {
    const queue = new TaskQueue()
    const error = new Error('mine')
    const fails = queue.wrap((): number => {
      throw error
    })
    await expect(fails()).rejects.toBe(error)
  })

  test('each call has the options, or those that follow from its arguments', async () => {
    const queue = new TaskQueue()
    const queued = vi.fn()
    queue.on('queued', ({ id, priority }) => queued(id, priority))
    const load = vi.fn(async (id: string) => `user ${id}`)
    const loadOnce = queue.wrap(load, (id: string) => ({ id, priority: 'high' }))
    expect(await Promise.all([loadOnce('a'), loadOnce('b'), loadOnce('a')])).toEqual(['user a', 'user b', 'user a'])
    expect(load).toHaveBeenCalledTimes(2)
    expect(queued.mock.calls).toEqual([
      ['a', 'high'],
      ['b', 'high'],
    ])
    await queue.wrap(load, { priority: 'low' })('c')
    expect(queued).toHaveBeenLastCalledWith(expect.any(String), 'low')
  })

  test('what the options of a call throw, or get wrong, rejects that call', async () => {
    const queue = new TaskQueue()
    const error = new Error('no options')
    const throws = queue.wrap(
      async () => 1,
      () => {
        throw error
      },
    )
    await expect(throws()).rejects.toBe(error)
    const wrong = queue.wrap(
      async () => 1,
      () => ({ priority: 'now' as never }),
    )
    await expect(wrong()).rejects.toMatchObject({ path: 'priority' })
  })

  test('refuses what is no function', () => {
    expect(() => new TaskQueue().wrap(fetched as never)).toThrow("Option 'wrap': expected a function")
  })
})

test('functions are kept by a store in memory, and by none that is durable', async () => {
  const queue = new TaskQueue({ store: memoryStore() })
  expect(await queue.run(() => 7, { id: 'a' })).toBe(7)
  expect(await queue.run(() => 8, { id: 'a', onDuplicate: 'join-by-id' })).toBe(7)
  const durable = { ...memoryStore(), isDurable: true } as never
  expect(() => new TaskQueue({ store: durable })).toThrow(
    "Option 'store': expected one in memory, such as memoryStore()",
  )
})
