/**
 * The mistakes that are easily made, and what is said of each: nothing is silent.
 */
import {
  adaptive,
  aging,
  backoff,
  circuitBreaker,
  codel,
  earliestDeadlineFirst,
  fairBy,
  fixed,
  meetsDeadline,
  OptionsError,
  QueuedExecutor,
  RequestQueue,
  shadow,
  shedByPriority,
  strict,
  tokenBucket,
  WorkerPool,
  weighted,
} from 'triage-queue'
import { pressure } from 'triage-queue/pressure'
import { describe, expect, test, vi } from 'vitest'

const echo = (request: unknown): unknown => request
const make = (options: object) => new QueuedExecutor(echo, options as never)

/** What it says, without the class; undefined: it has nothing against it. */
function said(call: () => unknown): string | undefined {
  try {
    call()
    return undefined
  } catch (error) {
    expect(error).toBeInstanceOf(OptionsError)
    return (error as Error).message
  }
}

describe('an option that does not exist', () => {
  test.each([
    ['timeout', "did you mean 'timeoutMs'?"],
    ['maxConcurrent', "did you mean 'concurrency'?"],
    ['concurency', "did you mean 'concurrency'?"],
    ['concurrnecy', "did you mean 'concurrency'?"],
    ['max-queue-size', "did you mean 'maxQueueSize'?"],
    ['highWater', "did you mean 'maxQueueSize'?"],
    ['strategy', "did you mean 'whenFull'?"],
    ['retries', "did you mean 'retry'?"],
    ['interval', "did you mean 'rateLimit'?"],
    ['runTimeout', "did you mean 'runTimeoutMs'?"],
    ['priority', "'priority' is an option of a request"],
    ['weight', "'cost' is an option of a request"],
    ['constructor', 'expected one of name, concurrency, '],
    ['x', 'expected one of name, concurrency, '],
  ])('of an executor: %s', (name, hint) => {
    expect(said(() => make({ [name]: 1 }))).toContain(`Unknown option '${name}': ${hint}`)
    // Also where it is not set: somebody has written it.
    expect(said(() => make({ [name]: undefined }))).toContain(`Unknown option '${name}'`)
  })

  test.each([
    ['timeout', "did you mean 'timeoutMs'?"],
    ['weight', "did you mean 'cost'?"],
    ['prio', "did you mean 'priority'?"],
    ['delay', "did you mean 'delayMs'?"],
    ['abortSignal', "did you mean 'signal'?"],
    ['singal', "did you mean 'signal'?"],
    ['concurrency', "'concurrency' is an option of the executor"],
    ['maxConcurrent', "'concurrency' is an option of the executor"],
    ['retries', "'retry' is an option of the executor"],
    ['volume', 'expected one of '],
  ])('of a request: %s', async (name, hint) => {
    const queue = make({})
    const message = `Unknown option '${name}': ${hint}`
    for (const options of [
      { [name]: 1 },
      { [name]: undefined },
      { priority: 'high', id: 'a', [name]: 1 },
    ] as object[]) {
      await expect(queue.execute(1, options)).rejects.toMatchObject({
        code: 'TRIAGE_INVALID_OPTIONS',
        path: name,
        queue: 'triage',
        message: expect.stringContaining(message),
      })
      await expect(queue.submit(1, options)).rejects.toThrow(message)
      expect(said(() => queue.offer(1, options))).toContain(message)
    }
    expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0, totals: { admitted: 0 } })
    expect(said(() => queue.map([1], { [name]: 1 } as never))).toContain(`Unknown option 'map.${name}': ${hint}`)
  })

  test.each<[string, () => unknown, string]>([
    ['a policy', () => codel({ target: 5 } as never), "'codel.target': did you mean 'targetMs'?"],
    ['a part', () => make({ maxQueueSize: { nromal: 1 } }), "'maxQueueSize.nromal': did you mean 'normal'?"],
    ['aging', () => aging({ step: 5 } as never), "'aging.step': did you mean 'stepMs'?"],
    ['a RequestQueue', () => new RequestQueue({ maxSize: 5 } as never), "'maxSize': did you mean 'maxQueueSize'?"],
    ['enqueue()', () => new RequestQueue().enqueue(1, { prio: 'low' } as never), "'prio': did you mean 'priority'?"],
    ['a WorkerPool', () => new WorkerPool(echo, { concurrency: 1, workers: 2 } as never), "'workers': did you mean"],
  ])('of %s', (_, call, message) => {
    expect(said(call)).toContain(`Unknown option ${message}`)
  })

  test('has a message of one line, and takes no time, however long it is', () => {
    expect(said(() => make({ ['timeuot'.repeat(100_000)]: 1 }))).toMatch(
      /^Unknown option '(timeuot)+t…': expected one of [^\n]{1,400}$/,
    )
  })

  test('of close(), and of run()', async () => {
    const queue = make({})
    await expect(queue.close({ timeoutMs: 5 } as never)).rejects.toThrow("'timeoutMs': did you mean 'graceMs'?")
    await expect(queue.close({ graceMS: 5 } as never)).rejects.toThrow("'graceMS': did you mean 'graceMs'?")
    expect(queue.getStatus().state).toBe('open')
    const pool = new WorkerPool(echo, { concurrency: 1 })
    await expect(pool.run(1, { meta: 1 } as never)).rejects.toThrow("'meta': did you mean 'metadata'?")
  })

  test('a kind needs kinds', async () => {
    const queue = make({})
    await expect(queue.execute(1, { kind: 'x' })).rejects.toThrow("expected none, since there are no `kinds`, got 'x'")
  })

  test('is looked for only where there are more names than known ones were given, and in an object of any other class', async () => {
    const queue = make({})
    const names = vi.spyOn(Object, 'keys')
    const all = { priority: 'high', id: 'a', signal: new AbortController().signal, metadata: 1, cost: 2 }
    for (const options of [{}, { priority: 'low' }, all, { waitTimeoutMs: 5, runTimeoutMs: 5, timeoutMs: 5 }]) {
      await queue.execute(1, options as never)
    }
    await queue.execute(1, { delayMs: 0, startAt: new Date(0), after: [], onDuplicate: 'reject' })
    const calls = names.mock.calls.length
    await queue.execute(1, { priority: undefined } as never)
    const more = names.mock.calls.length
    names.mockRestore()
    expect([calls, more > calls]).toEqual([0, true])
    class Options {
      timeout = 5
      get priority(): string {
        return 'high'
      }
    }
    await expect(queue.execute(1, new Options() as never)).rejects.toThrow("Unknown option 'timeout'")
    // What is inherited was written by nobody who meant this request.
    await expect(queue.execute(1, Object.create({ priority: 'low', timeout: 5 }))).resolves.toBe(1)
  })
})

describe('a policy that was not called', () => {
  test.each<[string, unknown, string]>([
    [
      'order',
      fairBy,
      "Option 'order': expected an order policy, such as strict(), got a function; call fairBy, as in order: fairBy(…)",
    ],
    ['order', strict, 'call strict, as in order: strict(…)'],
    ['limit', adaptive, 'call adaptive, as in limit: adaptive(…)'],
    ['retry', backoff, 'call backoff, as in retry: backoff(…)'],
    ['rateLimit', tokenBucket, 'call tokenBucket, as in rateLimit: tokenBucket(…)'],
    ['overload', [meetsDeadline(), codel], 'call codel, as in overload: codel(…)'],
    ['order', () => 1, 'call it, as in order: it(…)'],
  ])('%s', (option, value, message) => {
    // An arrow function in an array has no name.
    const given = option === 'order' && value !== fairBy && value !== strict ? [() => 1][0] : value
    expect(said(() => make({ [option]: given }))).toContain(message)
  })

  test('within another, in a queue on its own, or as a shadow', () => {
    expect(said(() => aging({}, { within: fairBy as never }))).toContain('call fairBy, as in order: fairBy(…)')
    expect(said(() => new RequestQueue({ order: fairBy as never }))).toContain('call fairBy, as in order: fairBy(…)')
    expect(said(() => shadow(adaptive as never))).toContain('call adaptive, as in limit: adaptive(…)')
  })
})

describe('a policy in the wrong option', () => {
  const bucket = () => tokenBucket({ perSecond: 1 })
  const waits = () => tokenBucket({ perSecond: 1, over: 'wait' })
  test.each<[string, unknown, string]>([
    ['order', codel(), "codel is for the option 'overload'"],
    ['order', bucket(), "tokenBucket is for the option 'rateLimit'"],
    ['order', adaptive(), "adaptive is for the option 'limit'"],
    ['limit', aging(), "aging is for the option 'order'"],
    ['limit', fixed(2).sample, 'call sample'],
    ['retry', waits(), "tokenBucket is for the option 'rateLimit'"],
    ['retry', codel(), "codel is for the option 'overload'"],
    ['rateLimit', backoff(), "is for the option 'retry'"],
    ['rateLimit', aging(), "aging is for the option 'order'"],
    ['rateLimit', circuitBreaker(), "circuitBreaker is for the option 'overload'"],
    ['rateLimit', [bucket(), pressure({ maxRssBytes: 1 })], "pressure is for the option 'overload'"],
    ['overload', waits(), "tokenBucket is for the option 'rateLimit'"],
    ['overload', [shedByPriority(), weighted()], "weighted is for the option 'order'"],
    ['overload', adaptive(), "adaptive is for the option 'limit'"],
    // Of the user's own, known by their methods.
    ['order', { name: 'mine', admit: echo }, "mine is for the option 'overload'"],
    ['order', { name: 'mine', delayMs: echo }, "mine is for the option 'retry'"],
    ['retry', { name: 'mine', delayMs: echo, drop: echo }, "mine is for the option 'overload'"],
    ['overload', { name: 'mine', rank: echo }, "mine is for the option 'order'"],
    ['rateLimit', { name: 'mine', sample: echo }, "mine is for the option 'limit'"],
    ['overload', { name: 'mine', option: 'rateLimit', admit: echo }, "mine is for the option 'rateLimit'"],
  ])('%s', (option, value, message) => {
    expect(said(() => make({ [option]: value }))).toContain(message)
  })

  test('is none that may be in both, or that says something else by `option`', () => {
    for (const own of [
      { name: 'mine', admit: echo },
      { name: 'mine', delayMs: echo },
      { name: 'mine', option: 5 },
    ]) {
      expect(said(() => make({ rateLimit: own, overload: [own] }))).toBeUndefined()
    }
    expect(said(() => make({ order: { name: 'mine', rank: echo, admit: echo } }))).toBeUndefined()
    expect(said(() => make({ order: { name: 'mine' } }))).toBe(
      `Option 'order': expected an order policy, such as strict(), got {"name":"mine"}`,
    )
  })
})

describe('a policy that is given to two executors', () => {
  test.each<[string, () => object]>([
    ['order', () => fairBy(() => 'a')],
    ['order', () => weighted()],
    ['order', () => aging({}, { within: earliestDeadlineFirst() })],
    ['limit', () => adaptive()],
    ['limit', () => shadow(adaptive())],
    ['retry', () => backoff()],
    ['rateLimit', () => tokenBucket({ perSecond: 1 })],
    ['overload', () => codel()],
    ['overload', () => circuitBreaker()],
    ['overload', () => shedByPriority()],
    ['overload', () => ({ name: 'mine', remembers: true })],
  ])('%s', (option, policy) => {
    const shared = policy()
    make({ name: 'first', [option]: shared })
    expect(said(() => make({ name: 'second', [option]: shared }))).toBe(
      `Option '${option}': expected a policy that serves nobody else, got one that serves 'first' already; ${(shared as { name: string }).name} remembers what it has seen, so make one for each`,
    )
  })

  test('or twice to one, or to a queue, or within another, or as a shadow', () => {
    const guard = codel()
    expect(said(() => make({ overload: [guard, guard] }))).toContain("serves 'triage' already")
    // It was refused, and serves nobody.
    expect(said(() => make({ overload: guard }))).toBeUndefined()
    const order = fairBy(() => 'a')
    new RequestQueue({ order })
    expect(said(() => new RequestQueue({ order }))).toContain("serves 'a RequestQueue' already")
    const inner = fairBy(() => 'a')
    aging({}, { within: inner })
    expect(said(() => weighted({}, { within: inner }))).toContain("Option 'weighted.within'")
    const limit = adaptive()
    shadow(limit)
    expect(said(() => make({ limit }))).toContain("serves 'shadow' already")
  })

  test('does not serve one that was refused for another option', () => {
    const order = fairBy(() => 'a')
    expect(said(() => make({ order, concurrency: 0 }))).toContain('concurrency')
    expect(said(() => make({ order, reserve: { low: 11 } }))).toContain('reserve')
    expect(said(() => make({ order }))).toBeUndefined()
  })

  test('is no mistake where it remembers nothing', () => {
    const shared = {
      order: earliestDeadlineFirst(),
      retry: backoff({ budget: Number.POSITIVE_INFINITY }),
      limit: fixed(2),
    }
    for (const options of [shared, shared, { order: strict(), overload: meetsDeadline() }]) {
      expect(said(() => make(options))).toBeUndefined()
    }
  })
})

test('a controller for a signal', async () => {
  const queue = make({})
  const controller = new AbortController()
  await expect(queue.execute(1, { signal: controller as never })).rejects.toThrow(
    "Option 'signal': expected an AbortSignal, got {}; give its signal",
  )
  await expect(queue.execute(1, { signal: { abort: echo, signal: 1 } as never })).rejects.toThrow(/got {"signal":1}$/)
  await expect(queue.execute(1, { signal: 5 as never })).rejects.toThrow(/got 5$/)
  await expect(queue.execute(1, { signal: controller.signal })).resolves.toBe(1)
})
