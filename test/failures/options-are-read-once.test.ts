/**
 * What was checked is what is used: options that are getters, or inherited, get nothing past the checks.
 */
import {
  adaptive,
  aging,
  aimd,
  backoff,
  circuitBreaker,
  codel,
  fairBy,
  type Guard,
  gradient2,
  meetsDeadline,
  OptionsError,
  QueuedExecutor,
  RequestQueue,
  shedByPriority,
  strict,
  systemClock,
  tokenBucket,
  vegas,
  WorkerPool,
  weighted,
} from 'triage-queue'
import { otel } from 'triage-queue/otel'
import { pressure } from 'triage-queue/pressure'
import { describe, expect, test } from 'vitest'
import { gated, lost } from './support.ts'

type Options = { readonly [name: string]: unknown }

const echo = (request: unknown): unknown => request
const fn = (): never => undefined as never
const schema = { '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) } }
const guard: Guard = { name: 'guard' }
const limits = { initial: 2, min: 1, max: 4, isDropped: fn }
const ms = { default: 9, urgent: 1, high: 2, normal: 3, low: 4 }

/** Everything that has options: some for each that are right, and by whom they are read. */
const readers: { readonly [what: string]: readonly [right: Options, read: (options: never) => unknown] } = {
  QueuedExecutor: [
    {
      ...{
        name: 'n',
        concurrency: 4,
        maxQueueSize: 5,
        whenFull: 'shed',
        maxBlocked: 5,
        maxRetrying: 5,
        waitTimeoutMs: 5,
        runTimeoutMs: 5,
      },
      ...{ timeoutMs: 5, onStuck: 'replace', maxReplaced: 1, schema, onDuplicate: 'reject', order: strict() },
      ...{
        reserve: { urgent: 1 },
        lendReserve: true,
        retry: backoff({ budget: Number.POSITIVE_INFINITY }),
        rateLimit: guard,
        overload: [guard],
      },
      ...{ clock: systemClock, onListenerError: fn, random: fn, debug: false },
    },
    (options) => new QueuedExecutor(echo, options),
  ],
  'QueuedExecutor with a limit': [{ limit: adaptive() }, (options) => new QueuedExecutor(echo, options)],
  maxQueueSize: [
    { total: 9, urgent: 1, high: 2, normal: 3, low: 4 },
    (maxQueueSize) => new QueuedExecutor(echo, { maxQueueSize }),
  ],
  waitTimeoutMs: [ms, (waitTimeoutMs) => new QueuedExecutor(echo, { waitTimeoutMs })],
  runTimeoutMs: [ms, (runTimeoutMs) => new QueuedExecutor(echo, { runTimeoutMs })],
  timeoutMs: [ms, (timeoutMs) => new QueuedExecutor(echo, { timeoutMs })],
  reserve: [{ urgent: 1, high: 2, normal: 3, low: 4 }, (reserve) => new QueuedExecutor(echo, { reserve })],
  tokenBucket: [
    { perSecond: 1, burst: 2, per: fn, over: 'wait', maxDelayMs: 5, maxKeys: 5 },
    (options) => tokenBucket(options),
  ],
  codel: [{ targetMs: 5, intervalMs: 100 }, (options) => codel(options)],
  circuitBreaker: [{ failureRatio: 0.5 }, (options) => circuitBreaker(options)],
  meetsDeadline: [{ marginMs: 5 }, (options) => meetsDeadline(options)],
  shedByPriority: [{ trickle: 0.1 }, (options) => shedByPriority(options)],
  pressure: [{ maxEventLoopDelayMs: 5, maxHeapUsedBytes: 5 }, (options) => pressure(options)],
  adaptive: [limits, (options) => adaptive(options)],
  aimd: [{ ...limits, backoff: 0.9, timeoutMs: 5 }, (options) => aimd(options)],
  vegas: [{ ...limits, smoothing: 0.5 }, (options) => vegas(options)],
  gradient2: [{ ...limits, smoothing: 0.5, tolerance: 2 }, (options) => gradient2(options)],
  backoff: [
    { attempts: 2, baseMs: 1, maxMs: 2, jitter: 'none', retryIf: fn, budget: 1, reserve: 1, random: fn },
    (options) => backoff(options),
  ],
  fairBy: [{ weight: fn, cost: 2, guessMs: 5, maxKeys: 5 }, (options) => fairBy(fn, options)],
  weighted: [{ urgent: 4, high: 3, normal: 2, low: 1 }, (options) => weighted(options)],
  aging: [{ urgent: 1, high: 2, normal: 3, low: 4 }, (options) => aging(options)],
  'aging by steps': [{ stepMs: 5 }, (options) => aging(options)],
  'aging within': [{ within: strict() }, (options) => aging({}, options)],
  'weighted within': [{ within: strict() }, (options) => weighted({}, options)],
  WorkerPool: [
    { concurrency: 2, runTimeoutMs: 5, onStuck: 'hold', maxReplaced: 1 },
    (options) => new WorkerPool(echo, options),
  ],
  RequestQueue: [{ maxQueueSize: 5, order: strict() }, (options) => new RequestQueue(options)],
  otel: [{ histograms: true, attributes: {} }, (options) => otel(new QueuedExecutor(echo), options)],
}

const cases = Object.entries(readers).flatMap(([what, [right, read]]) =>
  Object.keys(right).map((name) => ({ what, name, right, read })),
)

/** The options, one of which is read by a getter. */
function withGetter(right: Options, name: string, get: () => unknown): never {
  return Object.defineProperty({ ...right }, name, { get, enumerable: true }) as never
}

describe('F28: each option is read once, and what was read is what is checked and used', () => {
  test.each(cases)('F28: $what, $name', ({ name, right, read }) => {
    let reads = 0
    // From the second time on it is none that would pass.
    const options = withGetter(right, name, () => (++reads === 1 ? right[name] : Symbol('another')))
    expect(() => read(options)).not.toThrow()
    expect(reads).toBe(1)
    const inherited = Object.create(withGetter(right, name, () => Symbol('none')))
    expect(() => read(inherited as never)).toThrow(OptionsError)
    const error = new Error('read')
    const throws = withGetter(right, name, () => {
      throw error
    })
    expect(() => read(throws)).toThrow(error)
  })

  test('F28: inherited options count as others do', () => {
    const defaults = { concurrency: 3, maxQueueSize: Object.create({ total: 7 }) }
    const queue = new QueuedExecutor(echo, Object.create(defaults))
    expect(queue.settings).toMatchObject({ concurrency: 3, maxQueueSize: { total: 7 } })
    expect(() => new QueuedExecutor(echo, Object.create({ concurrency: 0 }))).toThrow(
      "Option 'concurrency': expected an integer of at least 1, got 0",
    )
    // What is unknown is refused where somebody has written it, and not where it is inherited from anywhere.
    expect(() => new QueuedExecutor(echo, Object.create({ concurency: 0 }))).not.toThrow()
    expect(() => new QueuedExecutor(echo, { concurency: 0 } as never)).toThrow(
      "Unknown option 'concurency': did you mean 'concurrency'?",
    )
  })

  test('F28: a list of guards is copied once', () => {
    const refuses: Guard = { name: 'refuses', admit: () => ({ rule: 'refuses', compared: {}, wouldAdmit: 'none' }) }
    let reads = 0
    const list = Object.defineProperty([guard], 0, { get: () => (++reads === 1 ? guard : 'none'), enumerable: true })
    const queue = new QueuedExecutor(echo, { overload: list as Guard[] })
    expect([reads, queue.settings.overload]).toEqual([1, [guard]])
    const given = [guard]
    const other = new QueuedExecutor(echo, { rateLimit: given })
    given[0] = refuses
    expect(other.settings.rateLimit).toEqual([guard])
    return expect(other.execute(1)).resolves.toBe(1)
  })

  const signal = new AbortController().signal
  const right: Options = {
    ...{ priority: 'urgent', id: 'mine', signal, waitTimeoutMs: 5, runTimeoutMs: 5, timeoutMs: 5, cost: 2 },
    ...{ delayMs: 1, startAt: new Date(0), after: [], onDuplicate: 'join-by-id' },
  }

  test.each(Object.keys(right).map((name) => ({ name })))('F28: of a request, $name', async ({ name }) => {
    const { clock, gate, queue } = gated({ concurrency: 2, name: 'mine', debug: true })
    let reads = 0
    const options = (): never => withGetter(right, name, () => (++reads % 2 === 1 ? right[name] : Symbol('another')))
    const handle = await queue.submit('x', options())
    expect([reads, handle.priority, handle.id]).toEqual([1, 'urgent', 'mine'])
    handle.result.catch(() => {})
    reads = 0
    expect(queue.offer('x', options())?.id).toBe('mine')
    expect(reads).toBe(1)
    queue.cancel('mine')
    const bad = Object.create(withGetter(right, name, () => Symbol('none')))
    await expect(queue.execute('x', bad)).rejects.toMatchObject({ path: name, queue: 'mine' })
    const error = new Error('read')
    const throws = (): never => {
      throw error
    }
    for (const options of [withGetter(right, name, throws), new Proxy({}, { get: throws })]) {
      await expect(queue.execute('x', options)).rejects.toBe(error)
      await expect(queue.submit('x', options)).rejects.toBe(error)
      expect(() => queue.offer('x', options)).toThrow(error)
    }
    await clock.advance(10)
    await gate.finishAll()
    const { rejected, admitted } = queue.getStatus().totals
    expect([rejected, admitted, lost(queue.getStatus()), queue.get('mine'), clock.timers]).toEqual([
      7,
      1,
      0,
      undefined,
      0,
    ])
  })

  test.each(['drain', 'graceMs'])('F28: of close(), %s', async (name) => {
    const { queue } = gated()
    const right: Options = { drain: true, graceMs: 5 }
    let reads = 0
    await expect(queue.close(Object.create(withGetter(right, name, () => Symbol('none'))))).rejects.toThrow(
      OptionsError,
    )
    expect(queue.getStatus().state).toBe('open')
    await queue.close(withGetter(right, name, () => (++reads === 1 ? right[name] : Symbol('another'))))
    expect(reads).toBe(1)
  })
})
