/**
 * What has failed for good and is submitted again: once, as what it was, and lost by no refusal.
 */
import {
  type DeadLetter,
  DeadLetters,
  type LetterSource,
  type QueuedExecutorOptions,
  type QueuedRequest,
  type StandardSchema,
} from 'triage-queue'
import { describe, expect, test } from 'vitest'
import { gated, JumpingClock, turn, watch } from './support.ts'

const LATER_MS = 100

/** An executor with its dead letters; what fails is tried again as often as `retries` says. */
function lettered(options: QueuedExecutorOptions<string> = {}, retries = 0, max = 1_000) {
  const made = gated({
    debug: true,
    retry: {
      name: 'later',
      delayMs: ({ attempt, error }) => (attempt <= retries || error === 'again' ? LATER_MS : undefined),
    },
    ...options,
  })
  const { clock, gate, queue } = made
  const letters = new DeadLetters(queue, { max, of: ['failed', 'expired'] })
  /** Submits one, and has each of its attempts fail. */
  const fail = async (name: string, more = {}): Promise<DeadLetter<string>> => {
    watch(queue.execute(name, { id: name, ...more }))
    await turn()
    for (let attempt = 1; attempt <= retries + 1; attempt++) {
      if (attempt > 1) await clock.advance(LATER_MS)
      await gate.fail(name, new Error(`${name} ${attempt}`))
    }
    return [...letters].at(-1) as DeadLetter<string>
  }
  return { ...made, letters, fail }
}

const messages = ({ errors }: DeadLetter<unknown>): string[] => errors.map((error) => (error as Error).message)

/** A schema that looks at each request until the test says that it has seen enough. */
function looking() {
  const looks: (() => void)[] = []
  const validate = (value: unknown) =>
    new Promise<{ value: string }>((resolve) => {
      looks.push(() => resolve({ value: value as string }))
    })
  const schema: StandardSchema<string> = { '~standard': { version: 1, vendor: 'test', validate } }
  /** It has seen the nth of those that it still looks at. */
  const seen = async (n = 0): Promise<void> => {
    looks.splice(n, 1)[0]?.()
    await turn()
  }
  return { schema, seen }
}

describe('a letter', () => {
  test('has the error of each attempt; of many, the last ten', async () => {
    const { clock, gate, queue, fail } = lettered({}, 2)
    const letter = await fail('a')
    expect(messages(letter)).toEqual(['a 1', 'a 2', 'a 3'])
    expect(letter).toMatchObject({ attempts: 3, error: letter.errors[2], generation: 1 })
    const many = lettered({}, 24)
    const late = await many.fail('b')
    expect(messages(late)).toEqual(Array.from({ length: 10 }, (_, i) => `b ${16 + i}`))
    expect(late.attempts).toBe(25)
    // Ten attempts are all there.
    const ten = lettered({}, 9)
    expect(messages(await ten.fail('c'))).toHaveLength(10)
    await queue.close()
    expect([clock.timers, gate.running]).toEqual([0, 0])
  })

  test('of one that expires has the errors of the attempts before, and that it expired', async () => {
    const { clock, gate, queue, letters } = lettered({}, 1)
    watch(queue.execute('a', { id: 'a', waitTimeoutMs: LATER_MS + 1 }))
    watch(queue.execute('b', { id: 'b', runTimeoutMs: LATER_MS }))
    watch(queue.execute('c', { id: 'c', waitTimeoutMs: 1 }))
    await turn()
    await gate.fail('a', new Error('a 1'))
    queue.pause()
    await clock.advance(LATER_MS + 1)
    const said = [...letters].map((letter) => [letter.id, letter.attempts, messages(letter).length])
    expect(said).toEqual([
      ['c', 0, 1],
      ['b', 1, 1],
      ['a', 1, 2],
    ])
    expect(letters.get('a')).toMatchObject({
      error: { code: 'TRIAGE_WAIT_TIMEOUT' },
      errors: [{ message: 'a 1' }, { code: 'TRIAGE_WAIT_TIMEOUT' }],
    })
    await gate.finishAll()
    await queue.close({ drain: false })
  })

  test('says when it was not retried for want of room', async () => {
    const { gate, queue, letters } = lettered({ concurrency: 2, maxRetrying: 1 }, 1)
    for (const name of ['a', 'b']) watch(queue.execute(name))
    await turn()
    for (const name of ['a', 'b']) await gate.fail(name, new Error(name))
    expect([...letters]).toMatchObject([{ request: 'b', notRetried: 'full', attempts: 1 }])
    await queue.close({ drain: false })
  })

  test('is kept whatever other listeners do', async () => {
    const made = gated({ onListenerError: () => {} })
    made.queue.on('failed', () => {
      throw new Error('a listener')
    })
    const letters = new DeadLetters(made.queue)
    watch(made.queue.execute('a'))
    await turn()
    await made.gate.fail('a', new Error('a'))
    expect(letters.size).toBe(1)
  })

  test('of 10,000 the youngest 1,000 are kept', async () => {
    const { gate, queue, letters } = lettered({ concurrency: 10_000, debug: false })
    const ends = Array.from({ length: 10_000 }, (_, i) => watch(queue.execute(`${i}`)))
    await turn()
    for (const name of [...gate.started]) gate.call(name).fail(new Error(name))
    await Promise.all(ends.map(({ done }) => done))
    expect(letters).toMatchObject({ size: 1_000, dropped: 9_000 })
    expect([...letters][0]?.request).toBe('9000')
    // The ids that were made for them are theirs still.
    expect(new Set(Array.from(letters, ({ id }) => id)).size).toBe(1_000)
  })
})

describe('F64: requeue()', () => {
  test('F64: of one letter twice at once runs once, and both have the same handle', async () => {
    const { gate, queue, letters, fail } = lettered()
    await fail('a')
    const handles = await Promise.all([letters.requeue('a'), letters.requeue('a'), letters.requeue('a')])
    expect(handles[0]).toBeDefined()
    expect(new Set(handles).size).toBe(1)
    await turn()
    expect(gate.started).toEqual(['a', 'a'])
    expect([letters.size, await letters.requeue('a')]).toEqual([0, undefined])
    await gate.finishAll()
    expect(queue.getStatus().totals).toMatchObject({ admitted: 2, joined: 0, rejected: 0, completed: 1 })
  })

  test('F64: keeps id, priority, metadata, cost and timeouts; not its signal, nor what it had to wait for', async () => {
    const { clock, gate, queue, letters } = lettered({ concurrency: 3 })
    const kept = { id: 'a', priority: 'high', metadata: { n: 1 } } as const
    const options = { cost: 2, waitTimeoutMs: 500, runTimeoutMs: 600, timeoutMs: 700 }
    const { signal } = new AbortController()
    watch(queue.execute('a', { ...kept, ...options, signal, delayMs: 50, after: [Promise.resolve()] }))
    await clock.advance(50)
    await gate.fail('a', new Error('a'))
    expect(letters.get('a')).toMatchObject({ ...kept, options })
    const again = (await letters.requeue('a')) as QueuedRequest<string>
    expect(again).toMatchObject({ ...kept, request: 'a' })
    await turn()
    // At once, and it takes two of three slots.
    expect([again.state, queue.getStatus().activeWorkers]).toEqual(['running', 2])
    const end = watch(again.result)
    await clock.advance(600)
    expect(end.outcome).toBe('TRIAGE_RUN_TIMEOUT')
    expect(letters.get('a')).toMatchObject({ generation: 2, options })
    await gate.finishAll()
  })

  test('F64: starts at once, whatever the time of the clock is', async () => {
    const clock = new JumpingClock(-1_000)
    const { gate, queue, letters } = lettered({ clock })
    watch(queue.execute('a', { id: 'a' }))
    await turn()
    await gate.fail('a', new Error('a'))
    await letters.requeue('a')
    await turn()
    expect(gate.started).toEqual(['a', 'a'])
    // So does a request that comes after nothing.
    await gate.finish('a')
    watch(queue.execute('b', { after: [] }))
    await clock.advanceTo(-999)
    expect(gate.started).toEqual(['a', 'a', 'b'])
    await gate.finishAll()
  })

  test('F64: keeps an id that was made for it; those who come with it then join', async () => {
    const { gate, queue, letters } = lettered()
    watch(queue.execute('a'))
    await turn()
    await gate.fail('a', new Error('a'))
    const [letter] = letters
    const id = letter?.id as string
    const again = await letters.requeue(id)
    expect(again?.id).toBe(id)
    const joined = watch(queue.execute('a', { id }))
    await gate.finishAll()
    expect([joined.value, gate.started]).toEqual(['a', ['a', 'a']])
  })

  test('F64: that fails again is the next generation, which a retry of an older letter leaves alone', async () => {
    const { gate, letters, fail } = lettered()
    const first = await fail('a')
    expect(first.generation).toBe(1)
    watch(letters.requeue('a', 1))
    await turn()
    await gate.fail('a', new Error('again'))
    expect(letters.get('a')).toMatchObject({ generation: 2, error: { message: 'again' } })
    expect(await letters.requeue('a', first.generation)).toBeUndefined()
    expect([gate.running, letters.size]).toEqual([0, 1])
    // So is one that comes with its id: whatever became of the letter before.
    expect((await fail('a')).generation).toBe(3)
    letters.delete('a')
    expect((await fail('a')).generation).toBe(4)
    expect(await letters.requeue('a', 4)).toBeDefined()
    await gate.finishAll()
  })

  test('F64: the generations of as many are remembered as letters are kept', async () => {
    const { letters, fail } = lettered({}, 0, 2)
    for (const name of ['a', 'b', 'c', 'd', 'e']) await fail(name)
    // Two are kept, and of those that are not, the youngest two are remembered.
    expect([...letters].map(({ id }) => id)).toEqual(['d', 'e'])
    expect((await fail('c')).generation).toBe(2)
    expect((await fail('a')).generation).toBe(1)
  })

  const stages = ['blocked', 'waiting', 'running', 'retrying'] as const
  describe.each(['join', 'reject'] as const)('F64: with onDuplicate %s', (onDuplicate) => {
    test.each(stages)('F64: is refused while a request with its id is %s, and the letter stays', async (stage) => {
      const { clock, gate, queue, letters, fail } = lettered({ onDuplicate, maxQueueSize: 1, whenFull: 'block' })
      const letter = await fail('a')
      if (stage === 'blocked' || stage === 'waiting') watch(queue.execute('runs'))
      await turn()
      if (stage === 'blocked') watch(queue.execute('waits'))
      const live = watch(queue.execute('another', { id: 'a' }))
      await turn()
      if (stage === 'retrying') await gate.fail('another', 'again')
      expect(queue.get('a')?.state).toBe(stage)
      await expect(letters.requeue('a')).rejects.toMatchObject({
        code: 'TRIAGE_DUPLICATE_REQUEST',
        requestId: 'a',
        started: false,
      })
      expect([...letters]).toEqual([letter])
      await gate.finishAll()
      await clock.advance(LATER_MS)
      await gate.finishAll()
      const attempts = stage === 'retrying' ? 2 : 1
      expect([live.value, gate.started.filter((name) => name === 'another').length]).toEqual(['another', attempts])
      expect(queue.getStatus().totals).toMatchObject({ joined: 0, rejected: 1 })
      // Its id is free again.
      expect(await letters.requeue('a')).toMatchObject({ id: 'a', request: 'a' })
      await gate.finishAll()
      expect(letters.size).toBe(0)
    })
  })

  test('F64: is refused by one with its id that comes in while a schema still looks at it', async () => {
    const { schema, seen } = looking()
    const { gate, queue, letters } = lettered({ schema, concurrency: 2 })
    watch(queue.execute('a', { id: 'a' }))
    await seen()
    await gate.fail('a', new Error('a'))
    const again = watch(letters.requeue('a'))
    watch(queue.execute('another', { id: 'a' }))
    await seen(1)
    await seen()
    expect([again.outcome, gate.started, letters.size]).toEqual(['TRIAGE_DUPLICATE_REQUEST', ['a', 'another'], 1])
    await gate.finishAll()
  })

  test('F64: takes no younger letter of its id along', async () => {
    const { schema, seen } = looking()
    const { gate, queue, letters } = lettered({ schema })
    watch(queue.execute('older', { id: 'a' }))
    await seen()
    await gate.fail('older', new Error('failed'))
    const again = watch(letters.requeue('a'))
    watch(queue.execute('younger', { id: 'a' }))
    await seen(1)
    await gate.fail('younger', new Error('failed'))
    const younger = [expect.objectContaining({ request: 'younger', generation: 2 })]
    expect([again.state, ...letters]).toEqual(['pending', ...younger])
    await seen()
    expect([again.value?.request, ...letters]).toEqual(['older', ...younger])
    await gate.finishAll()
  })

  test('F64: of one that no queue has room for leaves it a letter; with block it waits for room', async () => {
    const full = lettered({ maxQueueSize: 1 })
    await full.fail('a')
    for (const name of ['runs', 'waits']) watch(full.queue.execute(name))
    await turn()
    await expect(full.letters.requeue('a')).rejects.toMatchObject({ code: 'TRIAGE_QUEUE_FULL' })
    expect(full.letters.size).toBe(1)
    await full.gate.finishAll()
    expect(await full.letters.requeue('a')).toBeDefined()

    const { gate, queue, letters, fail } = lettered({ maxQueueSize: 1, whenFull: 'block' })
    await fail('a')
    for (const name of ['runs', 'waits']) watch(queue.execute(name))
    const both = [watch(letters.requeue('a')), watch(letters.requeue('a'))]
    await turn()
    expect([both.map(({ state }) => state), letters.size]).toEqual([['pending', 'pending'], 1])
    expect(queue.getStatus().blocked).toBe(1)
    await gate.finish('runs')
    expect(both[0]?.value).toBe(both[1]?.value)
    expect([both[0]?.value?.id, letters.size]).toEqual(['a', 0])
    await gate.finishAll()
  })

  test('F64: by a closed executor, or one that closes meanwhile, leaves it a letter', async () => {
    const { gate, queue, letters, fail } = lettered({ maxQueueSize: 1, whenFull: 'block' })
    await fail('a')
    for (const name of ['runs', 'waits']) watch(queue.execute(name))
    const again = watch(letters.requeue('a'))
    await turn()
    watch(queue.close())
    await turn()
    expect([again.outcome, letters.size]).toEqual(['TRIAGE_QUEUE_CLOSED', 1])
    await expect(letters.requeue('a')).rejects.toMatchObject({ code: 'TRIAGE_QUEUE_CLOSED' })
    expect(await letters.requeueAll()).toMatchObject({
      requeued: 0,
      refused: [{ error: { code: 'TRIAGE_QUEUE_CLOSED' } }],
    })
    expect(letters.size).toBe(1)
    await gate.finishAll()
  })

  test('F64: to any source: one that throws leaves it a letter, and the next try is a new one', async () => {
    let tell: (ended: Parameters<Parameters<LetterSource<string, string>['on']>[1]>[0]) => void = () => {}
    const submitted: unknown[] = []
    const source: LetterSource<string, string> = {
      on: (_, listener) => {
        tell = listener
      },
      off: () => {},
      submit: (request, options) => {
        submitted.push([request, options])
        if (submitted.length === 1) throw new Error('not today')
        return Promise.resolve('handle')
      },
    }
    const letters = new DeadLetters(source)
    const about = { id: 'a', request: 'a', priority: 'low', metadata: undefined, at: 1 } as const
    tell({ ...about, error: 'x', attempts: 1, errors: ['x'], options: { cost: 1 } })
    await expect(letters.requeue('a')).rejects.toThrow('not today')
    expect(await letters.requeue('a')).toBe('handle')
    const options = { id: 'a', priority: 'low', metadata: undefined, cost: 1, onDuplicate: 'reject' }
    expect(submitted).toEqual([
      ['a', options],
      ['a', options],
    ])
  })
})

describe('F64: requeueAll()', () => {
  const many = 10_000

  /** Many letters of requests whose executor answers once it works. */
  async function outage(options: QueuedExecutorOptions<string>) {
    const made = lettered({ concurrency: many, maxQueueSize: 100, debug: false, ...options }, 0, many)
    const { gate, queue, letters } = made
    for (let i = 0; i < many; i++) watch(queue.execute(`${i}`))
    await turn()
    for (const name of [...gate.started]) gate.call(name).fail(new Error(name))
    await turn()
    expect(letters.size).toBe(many)
    gate.started.length = 0
    queue.concurrency = 1
    return made
  }

  test('F64: into a queue that refuses: what there is no room for stays a letter', async () => {
    const { gate, queue, letters } = await outage({})
    let turns = 0
    const done = { is: false }
    const counting = (async () => {
      while (!done.is) {
        await turn()
        turns++
      }
    })()
    const { requeued, refused } = await letters.requeueAll()
    done.is = true
    await counting
    // One runs, and a hundred wait.
    expect([requeued, refused.length, letters.size]).toEqual([101, many - 101, many - 101])
    expect(refused[0]).toMatchObject({ letter: { request: '101' }, error: { code: 'TRIAGE_QUEUE_FULL' } })
    expect([...letters]).toEqual(refused.map(({ letter }) => letter))
    expect(queue.getStatus()).toMatchObject({ waiting: 100, running: 1 })
    // Others had their turns meanwhile.
    expect(turns).toBeGreaterThan(5)
    await gate.finishAll()
    expect(gate.started).toEqual(Array.from({ length: 101 }, (_, i) => `${i}`))
  })

  test('F64: into a queue that blocks: all of them, one blocked at a time, each runs once', async () => {
    const { gate, queue, letters } = await outage({ whenFull: 'block' })
    let mostBlocked = 0
    queue.on('blocked', ({ blocked }) => {
      mostBlocked = Math.max(mostBlocked, blocked)
    })
    const all = watch(letters.requeueAll())
    await turn()
    expect([all.state, queue.getStatus().waiting]).toEqual(['pending', 100])
    // Each answers as soon as it runs, from now on.
    queue.on('started', ({ request }) => void Promise.resolve().then(() => gate.call(request as string).finish()))
    gate.call('0').finish()
    await all.done
    await queue.idle()
    expect([all.value, letters.size, mostBlocked]).toEqual([{ requeued: many, refused: [] }, 0, 1])
    expect(gate.started).toEqual(Array.from({ length: many }, (_, i) => `${i}`))
  })

  test('F64: twice at once runs each once; one that is deleted meanwhile is left out', async () => {
    const { gate, letters, fail } = lettered({ maxQueueSize: 1, whenFull: 'block' })
    for (const name of ['a', 'b', 'c']) await fail(name)
    gate.started.length = 0
    const all = [watch(letters.requeueAll()), watch(letters.requeueAll())]
    letters.delete('b')
    await gate.finishAll()
    expect(all.map(({ value }) => value?.requeued)).toEqual([2, 2])
    expect(gate.started).toEqual(['a', 'c'])
    expect(letters.size).toBe(0)
  })

  test('F64: only those that a filter says; when it throws, nothing has changed', async () => {
    const { gate, queue, letters, fail } = lettered({ concurrency: 4 })
    for (const name of ['a', 'b', 'c']) await fail(name)
    const admitted = () => queue.getStatus().totals.admitted
    const filter = ({ id }: DeadLetter<string>): boolean => {
      if (id === 'c') throw new Error('no idea')
      return true
    }
    await expect(letters.requeueAll(filter)).rejects.toThrow('no idea')
    expect([admitted(), letters.size]).toEqual([3, 3])
    expect(await letters.requeueAll(({ id }) => id !== 'b')).toEqual({ requeued: 2, refused: [] })
    expect([admitted(), [...letters].map(({ id }) => id)]).toEqual([5, ['b']])
    await gate.finishAll()
    expect(await letters.requeueAll(() => false)).toEqual({ requeued: 0, refused: [] })
  })
})
