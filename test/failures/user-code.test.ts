/**
 * Whatever user code does: the functions of policies, schemas, clocks and signals may throw, answer what is no answer, or call
 * the executor in the middle of a step. No request is lost by it, nothing stands still, and the mistake is told.
 */
import {
  aging,
  backoff,
  type Clock,
  circuitBreaker,
  fairBy,
  type Guard,
  type OrderPolicy,
  type QueuedExecutorOptions,
  type RequestOptions,
  type RetryPolicy,
  type StandardSchema,
  shedByPriority,
  tokenBucket,
} from 'triage-queue'
import { describe, expect, test } from 'vitest'
import { unhandledIn } from '../laws/support/unhandled.ts'
import { busy, gated, lost, turn, watch } from './support.ts'

const thrown = new Error('thrown by the user’s code')
const throws = (): never => {
  throw thrown
}
const proxy = new Proxy({}, { get: throws, has: throws, getPrototypeOf: throws, ownKeys: throws })
const no = { rule: 'no', compared: { n: 1 }, wouldAdmit: 'another one' }
const ranked = (rank: OrderPolicy['rank'], more: Partial<OrderPolicy> = {}): OrderPolicy => {
  return { name: 'own', acrossTiers: false, rank, ...more }
}
const told = () => {
  const errors: unknown[] = []
  return { errors, onListenerError: (error: unknown) => void errors.push(error) }
}
/** Each time that it is asked, a promise that rejects. */
const rejects = Symbol('a promise that rejects')
const answers = (answer: unknown) => (() => (answer === rejects ? Promise.reject(thrown) : answer)) as never

describe('an order that throws', () => {
  const lowThrows = () => fairBy((name: string) => (name === 'bad' ? throws() : name))

  test('when a request is given another priority: the caller hears it, and nothing has changed', async () => {
    let isBroken = false
    const order = ranked(({ sequence }) => (isBroken ? throws() : sequence))
    const { gate, queue } = await busy({ order, waitTimeoutMs: { low: 50 } })
    const [first, second] = [await queue.submit('a'), await queue.submit('b')]
    isBroken = true
    expect(() => second.setPriority('urgent')).toThrow(thrown)
    expect([second.priority, first.position(), second.position()]).toEqual(['normal', 0, 1])
    expect(queue.getStatus()).toMatchObject({ waiting: 2, waitingByPriority: { urgent: 0, normal: 2 } })
    await gate.finishAll()
    expect(gate.started).toEqual(['busy 0', 'a', 'b'])
  })

  test('one that starts later is not ranked before its time has come: it may move, and is cancelled then', async () => {
    const { clock, gate, queue } = await busy({ order: lowThrows(), maxQueueSize: { urgent: 1 } })
    const later = await queue.submit('bad', { delayMs: 50 })
    const end = watch(later.result)
    expect(later.setPriority('urgent')).toBe(true)
    expect(queue.getStatus()).toMatchObject({ waiting: 1, waitingByPriority: { urgent: 1, normal: 0 } })
    const other = await queue.submit('other', { delayMs: 60 })
    expect(other.setPriority('urgent')).toBe(false)
    await clock.advance(50)
    expect(end.error).toMatchObject({ code: 'TRIAGE_CANCELLED', cause: thrown })
    expect(queue.getStatus()).toMatchObject({ waiting: 1, waitingByPriority: { urgent: 0, normal: 1 } })
    expect(other.setPriority('urgent')).toBe(true)
    await clock.advance(20)
    await gate.finishAll()
  })

  test('when a join would lift: the caller joins all the same, at the old priority, and the error is reported', async () => {
    const { errors, onListenerError } = told()
    let isBroken = false
    const order = ranked(({ sequence }) => (isBroken ? throws() : sequence))
    const { gate, queue } = await busy({ order, onListenerError })
    watch(queue.execute('shared', { id: 'a', priority: 'low' }))
    isBroken = true
    const joined = watch(queue.execute('shared', { id: 'a', priority: 'urgent' }))
    expect([errors, queue.get('a')?.priority]).toEqual([[thrown], 'low'])
    await gate.finishAll()
    expect(joined.value).toBe('shared')
  })

  test('about a newcomer displaces nobody for it', async () => {
    const { gate, queue } = await busy({ order: lowThrows(), maxQueueSize: 1, whenFull: 'shed' })
    const low = watch(queue.execute('low', { priority: 'low' }))
    const bad = watch(queue.execute('bad', { priority: 'urgent' }))
    await turn()
    expect([low.state, bad.error]).toEqual(['pending', thrown])
    await gate.finishAll()
    expect(low.value).toBe('low')
  })

  test('about one that is blocked refuses that one, and lets the next one in', async () => {
    const { gate, queue } = await busy({ order: lowThrows(), maxQueueSize: 1, whenFull: 'block' })
    const [, bad, good] = ['waits', 'bad', 'good'].map((name) => watch(queue.execute(name)))
    await gate.finish('busy 0')
    expect([bad?.error, good?.state]).toEqual([thrown, 'pending'])
    await gate.finishAll()
    expect(good?.value).toBe('good')
  })

  test('when it is told anything, or whose promise rejects then, is reported', async () => {
    const { errors, onListenerError } = told()
    const order = ranked(({ sequence }) => sequence, {
      started: throws,
      left: (() => Promise.reject('left')) as never,
      settled: (() => Promise.reject('settled')) as never,
    })
    const unheard = await unhandledIn(async () => {
      const { gate, queue } = await busy({ order, onListenerError })
      const leaves = await queue.submit('leaves')
      expect(leaves.cancel()).toBe(true)
      await gate.finishAll()
    })
    expect([errors, unheard]).toEqual([[thrown, 'left', 'settled'], []])
  })
})

describe('a rank that is none', () => {
  test.each([undefined, null, Number.NaN, '0', {}, false])('(%s) is the last', async (rank) => {
    const order = ranked(({ request, sequence }) => (request === 'odd' ? (rank as never) : sequence))
    const { gate, queue } = await busy({ order })
    for (const name of ['odd', 'a', 'b']) watch(queue.execute(name))
    await gate.finishAll()
    expect(gate.started).toEqual(['busy 0', 'a', 'b', 'odd'])
  })

  test('since the order is asynchronous by mistake is told once, and no rejection is left unhandled', async () => {
    const { errors, onListenerError } = told()
    const order = ranked((async () => throws()) as never)
    const unheard = await unhandledIn(async () => {
      const { gate, queue } = await busy({ order, onListenerError })
      for (const name of ['a', 'b']) watch(queue.execute(name))
      await gate.finishAll()
    })
    expect(errors).toEqual([expect.objectContaining({ code: 'TRIAGE_INVALID_OPTIONS', path: 'order.rank' })])
    expect(unheard).toEqual([])
  })
})

describe('a guard', () => {
  test.each(['admit', 'drop'] as const)(
    'whose `%s` answers null, false or undefined says nothing',
    async (question) => {
      for (const answer of [null, false, undefined]) {
        const { errors, onListenerError } = told()
        const { gate, queue } = gated({ overload: { name: 'g', [question]: answers(answer) }, onListenerError })
        const ends = ['a', 'b'].map((name) => watch(queue.execute(name)))
        await gate.finishAll()
        expect(ends.map(({ value }) => value)).toEqual(['a', 'b'])
        expect([errors, queue.getStatus().activeWorkers]).toEqual([[], 0])
      }
    },
  )

  test.each(['admit', 'drop'] as const)(
    'whose `%s` answers what is no refusal is told once; it refuses nobody',
    async (question) => {
      for (const answer of [true, 1, 'no', {}, [], { rule: 'no' }, { rule: 'no', compared: null }, rejects]) {
        const { errors, onListenerError } = told()
        const unheard = await unhandledIn(async () => {
          const { gate, queue } = gated({ overload: { name: 'g', [question]: answers(answer) }, onListenerError })
          const ends = ['a', 'b'].map((name) => watch(queue.execute(name)))
          await gate.finishAll()
          expect(ends.map(({ value }) => value)).toEqual(['a', 'b'])
        })
        expect(errors).toEqual([expect.objectContaining({ code: 'TRIAGE_INVALID_OPTIONS', path: `g.${question}` })])
        expect(unheard).toEqual([])
      }
    },
  )

  test('whose refusal names a time that is none has it estimated', async () => {
    for (const retryAfterMs of [Number.NaN, -1, '5']) {
      const guard: Guard = { name: 'g', admit: () => ({ ...no, retryAfterMs: retryAfterMs as number }) }
      const end = watch(gated({ overload: guard, random: () => 0 }).queue.execute('a'))
      await turn()
      expect(end.error).toMatchObject({ code: 'TRIAGE_OVERLOADED', retryAfterMs: 1_000 })
    }
  })

  test('whose refusal names a time that is none is asked again by `ready()` after a second', async () => {
    for (const retryAfterMs of [Number.NaN, Number.POSITIVE_INFINITY, '5', undefined]) {
      let isOpen = false
      const admit = () => (isOpen ? undefined : { ...no, retryAfterMs: retryAfterMs as number })
      const { clock, queue } = gated({ overload: { name: 'g', admit } })
      const ready = watch(queue.ready())
      isOpen = true
      await clock.advance(999)
      expect(ready.state).toBe('pending')
      await clock.advance(1)
      expect(ready.state).toBe('fulfilled')
    }
  })

  test('whose refusal can’t be read has said nothing about one that is in', async () => {
    const { errors, onListenerError } = told()
    const drop = () => ({ rule: 'no', compared: proxy, wouldAdmit: 'none' })
    const { gate, queue } = gated({ overload: { name: 'g', drop: drop as never }, onListenerError })
    const end = watch(queue.execute('a'))
    await gate.finishAll()
    expect([end.value, errors]).toEqual(['a', [thrown]])
  })

  test('that throws takes no other guard’s say', async () => {
    const { errors, onListenerError } = told()
    const log: string[] = []
    const broken: Guard = { name: 'broken', holdMs: throws, drop: throws, started: throws, settled: throws }
    const well: Guard = {
      name: 'well',
      holdMs: ({ at }) => 30 - at,
      drop: ({ request }) => (request === 'late' ? no : undefined),
      started: () => void log.push('started'),
      settled: () => void log.push('settled'),
    }
    const { clock, gate, queue } = gated({ overload: [broken, well], onListenerError })
    const late = watch(queue.execute('late'))
    watch(queue.execute('a'))
    await clock.advance(29)
    expect(gate.started).toEqual([])
    await clock.advance(1)
    await gate.finishAll()
    expect([late.outcome, gate.started, log]).toEqual(['TRIAGE_OVERLOADED', ['a'], ['started', 'settled']])
    expect(errors.length).toBeGreaterThan(4)
  })

  test('whose promise rejects when it was told is reported', async () => {
    const { errors, onListenerError } = told()
    const late = (async () => throws()) as never
    const unheard = await unhandledIn(async () => {
      const { gate, queue } = gated({ overload: { name: 'g', started: late, settled: late }, onListenerError })
      watch(queue.execute('a'))
      await gate.finishAll()
    })
    expect([errors, unheard]).toEqual([[thrown, thrown], []])
  })

  test('that holds for ever is asked again after a second', async () => {
    let isOpen = false
    const { clock, gate, queue } = gated({
      overload: { name: 'switch', holdMs: () => (isOpen ? 0 : Number.POSITIVE_INFINITY) },
    })
    watch(queue.execute('a'))
    await clock.advance(1_500)
    isOpen = true
    expect(gate.started).toEqual([])
    await clock.advance(500)
    expect(gate.started).toEqual(['a'])
    await gate.finishAll()
  })

  test.each(['holdMs', 'delayMs'] as const)(
    'whose `%s` answers with no time has the next one start at once',
    async (question) => {
      for (const [answer, isTold] of [
        [Number.NaN, false],
        [-5, false],
        [null, false],
        ['5', true],
        [{}, true],
        [rejects, true],
      ] as const) {
        const { errors, onListenerError } = told()
        const unheard = await unhandledIn(async () => {
          const { gate, queue } = gated({ overload: { name: 'g', [question]: answers(answer) }, onListenerError })
          for (const name of ['a', 'b']) watch(queue.execute(name))
          await turn()
          expect(gate.started).toEqual(['a'])
          await gate.finishAll()
        })
        expect([errors.length, unheard]).toEqual([isTold ? 1 : 0, []])
      }
    },
  )

  test('that would delay a newcomer for ever has it refused', async () => {
    const { queue } = gated({ overload: { name: 'g', delayMs: () => Number.POSITIVE_INFINITY } })
    const end = watch(queue.execute('a', { waitTimeoutMs: 5 }))
    await turn()
    expect(end.error).toMatchObject({ code: 'TRIAGE_INVALID_OPTIONS', path: 'g.delayMs' })
    expect(queue.getStatus()).toMatchObject({ waiting: 0, totals: { admitted: 0, rejected: 1 } })
  })

  test.each([
    ['tokenBucket.per', { rateLimit: tokenBucket({ perSecond: 1, per: (async () => throws()) as never }) }],
    ['shedByPriority.cohort', { overload: shedByPriority({ cohort: (async () => throws()) as never }) }],
    ['fairBy.key', { order: fairBy((async () => throws()) as never) }],
    ['fairBy.weight', { order: fairBy(() => 'a', { weight: (async () => throws()) as never }) }],
    ['fairBy.cost', { order: fairBy(() => 'a', { cost: (async () => throws()) as never }) }],
  ] as const)('or an order whose `%s` is asynchronous by mistake refuses, and says so', async (path, options) => {
    const unheard = await unhandledIn(async () => {
      const end = watch(gated(options as QueuedExecutorOptions<string>).queue.execute('a'))
      await turn()
      expect(end.error).toMatchObject({ code: 'TRIAGE_INVALID_OPTIONS', path })
    })
    expect(unheard).toEqual([])
  })

  test('whose `isFailure` is asynchronous by mistake takes no call for a failure, and says so', async () => {
    const { errors, onListenerError } = told()
    const isFailure = (async () => false) as never
    const overload = circuitBreaker({ isFailure, minimumRequests: 1 })
    const { gate, queue } = gated({ overload, onListenerError })
    const ends = ['a', 'b'].map((name) => watch(queue.execute(name)))
    await gate.finishAll()
    expect(ends.map(({ value }) => value)).toEqual(['a', 'b'])
    expect(errors[0]).toMatchObject({ path: 'circuitBreaker.isFailure' })
  })
})

describe('a retry policy', () => {
  const again = (delayMs: unknown): RetryPolicy => ({ name: 'again', delayMs: answers(delayMs) })

  test.each([
    ['NaN', again(Number.NaN), undefined],
    ['less than nothing', again(-1), undefined],
    ['for ever', again(Number.POSITIVE_INFINITY), undefined],
    ['a string', again('5'), 'retry.delayMs'],
    ['a promise', again(rejects), 'retry.delayMs'],
    ['null', again(null), 'retry.delayMs'],
    ['a promise of `retryIf`', backoff({ retryIf: (async () => throws()) as never }), 'backoff.retryIf'],
    ['a promise of `random`', backoff({ random: (async () => throws()) as never }), 'backoff.random'],
  ])('that answers %s: the failure is final, and no rejection is left unhandled', async (_, retry, path) => {
    const { errors, onListenerError } = told()
    const unheard = await unhandledIn(async () => {
      const { gate, queue } = gated({ retry, onListenerError })
      const end = watch(queue.execute('a'))
      await turn()
      await gate.fail('a', thrown)
      expect(end.error).toBe(thrown)
    })
    expect(unheard).toEqual([])
    expect(errors).toEqual(path === undefined ? [] : [expect.objectContaining({ path })])
  })

  test('without jitter where `random` is no number from 0 to 1: it waits for the longest', async () => {
    for (const share of [Number.NaN, -1, 2]) {
      const { clock, gate, queue } = gated({ retry: backoff({ baseMs: 40, random: () => share }) })
      const end = watch(queue.execute('a'))
      await turn()
      await gate.fail('a', thrown)
      await clock.advance(39)
      expect(gate.started).toEqual(['a'])
      await clock.advance(1)
      await gate.finishAll()
      expect(end.value).toBe('a')
    }
  })

  test.each(['cancels it', 'closes without drain'])('that %s in the middle: it has ended, once', async (does) => {
    const { gate, queue } = gated({
      retry: {
        name: 'hasty',
        delayMs: () => {
          if (does === 'cancels it') queue.cancel('a')
          else void queue.close({ drain: false })
          return 5
        },
      },
    })
    const end = watch(queue.execute('a', { id: 'a' }))
    await turn()
    await gate.fail('a', thrown)
    expect(end.outcome).toBe(does === 'cancels it' ? 'TRIAGE_CANCELLED' : thrown)
    expect(queue.getStatus()).toMatchObject({ running: 0, retrying: 0, activeWorkers: 0 })
  })
})

test('a limit policy that answers with no number, or with a promise, changes nothing, and is told', async () => {
  for (const [answer, isDropped] of [
    ['5', false],
    [rejects, false],
    [undefined, false],
    [5, rejects],
  ]) {
    const { errors, onListenerError } = told()
    const unheard = await unhandledIn(async () => {
      const limit = { name: 'own', initial: 2, sample: answers(answer), isDropped: answers(isDropped) }
      const { gate, queue } = gated({ concurrency: undefined as never, limit, onListenerError })
      for (const name of ['a', 'b']) watch(queue.execute(name))
      await turn()
      await (isDropped === false ? gate.finish('a') : gate.fail('a', thrown))
      expect(queue.concurrency).toBe(2)
      await gate.finishAll()
    })
    expect(errors[0]).toMatchObject({ path: isDropped === false ? 'limit.sample' : 'limit.isDropped' })
    expect(unheard).toEqual([])
  }
})

describe('a schema', () => {
  const schema = (validate: unknown): StandardSchema<string> => {
    return { '~standard': { version: 1, vendor: 'own', validate: validate as never } }
  }

  test.each([undefined, null, 5, 'text', {}, { issues: 'many' }, { issues: {} }, { value: 1, issues: 5 }])(
    'that answers %j refuses with an error that says so, at once or later',
    async (answer) => {
      for (const validate of [answers(answer), async () => answer]) {
        const { queue } = gated({ schema: schema(validate) })
        const end = watch(queue.execute('a'))
        await turn()
        expect(end.error).toMatchObject({ code: 'TRIAGE_INVALID_OPTIONS', path: 'schema', received: answer })
        expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0, totals: { admitted: 0, rejected: 1 } })
      }
    },
  )

  test('that throws, in whichever way, refuses with what it throws', async () => {
    const thenable = Object.defineProperty({}, 'then', { get: throws })
    // biome-ignore lint/suspicious/noThenProperty: a thenable that throws
    for (const answer of [thenable, { then: throws }, proxy]) {
      const end = watch(gated({ schema: schema(answers(answer)) }).queue.execute('a'))
      await turn()
      expect(end.error).toBe(thrown)
    }
    let reads = 0
    const late = {
      get '~standard'() {
        return reads++ === 0 ? schema(() => {})['~standard'] : throws()
      },
    }
    const end = watch(gated({ schema: late as StandardSchema<string> }).queue.execute('a'))
    await turn()
    expect(end.error).toBe(thrown)
  })

  test('whose issues are none still says which request it was', async () => {
    const issues = [null, 5, proxy, { message: 'short', path: 7 }, { message: 'long', path: ['a', { key: 'b' }] }]
    const end = watch(gated({ schema: schema(answers({ issues })) }).queue.execute('a'))
    await turn()
    expect(end.outcome).toBe('TRIAGE_INVALID_REQUEST')
    expect((end.error as Error).message).toMatch(/null; .*undefined; a value of type object; .*short.*; a\.b: long$/)
  })

  test('may say that the request becomes undefined', async () => {
    const { gate, queue } = gated({ schema: schema(answers({ value: undefined })) })
    watch(queue.execute('a'))
    await turn()
    expect(gate.started).toEqual([undefined])
    await gate.finishAll()
  })
})

test('`random` that throws, or is no number from 0 to 1, is no jitter: refusals stay refusals', async () => {
  for (const random of [throws, () => Number.NaN, () => 7, () => -1, answers('0.5')]) {
    const { errors, onListenerError } = told()
    const { clock, gate, queue } = gated({ maxQueueSize: 1, random, onListenerError })
    watch(queue.execute('a'))
    await clock.advance(10)
    await gate.finish('a')
    for (const name of ['b', 'c']) watch(queue.execute(name))
    await turn()
    const refused = watch(queue.execute('d'))
    await turn()
    expect(refused.error).toMatchObject({ code: 'TRIAGE_QUEUE_FULL', retryAfterMs: 20 })
    expect(errors.length).toBe(random === throws || typeof random() === 'string' ? 1 : 0)
    await gate.finishAll()
  }
})

describe('a clock', () => {
  test('that goes back, throws, or answers with no finite number: its last good answer holds', async () => {
    const good = 100
    const goesBack = (): number => 5
    for (const bad of [
      throws,
      () => Number.NaN,
      () => Infinity,
      () => -Infinity,
      answers('7'),
      answers(proxy),
      goesBack,
    ]) {
      let now: () => number = () => good
      const clock: Clock = { now: () => now(), setTimeout: () => 0, clearTimeout: () => {}, stepped: true }
      const { queue } = gated({ clock })
      const first = await queue.submit('a')
      now = bad as () => number
      const second = await queue.submit('b')
      // One that has gone back goes on from there.
      now = () => (bad === goesBack ? 15 : 110)
      const third = await queue.submit('c')
      expect([first, second, third].map(({ enqueuedAt }) => enqueuedAt)).toEqual([100, 100, 110])
    }
  })
})

test('a clock without handles of its timers: nothing is cleared, and every deadline is kept', async () => {
  const timers: { callback: () => void; at: number }[] = []
  let now = 0
  const clock: Clock = {
    now: () => now,
    setTimeout: (callback, delayMs) => void timers.push({ callback, at: now + delayMs }),
    clearTimeout: () => {},
    stepped: true,
  }
  const { queue } = gated({ clock })
  const ends = [30, 20, 40].map((ms) => watch(queue.execute('a', { waitTimeoutMs: ms, timeoutMs: ms })))
  for (const at of [20, 30, 40]) {
    now = at
    for (const timer of timers.splice(0)) timer.at <= now ? timer.callback() : timers.push(timer)
    await turn()
  }
  expect(ends.map(({ state }) => state)).toEqual(['rejected', 'rejected', 'rejected'])
})

test('a clock whose timers throw is no clock: the error is thrown on', () => {
  const clock: Clock = { now: () => 0, setTimeout: throws, clearTimeout: () => {} }
  const { queue } = gated({ clock })
  expect(() => queue.execute('a', { waitTimeoutMs: 5 })).toThrow(thrown)
})

describe('a policy that calls the executor while it is asked about a newcomer', () => {
  /** An order that does something once, when it ranks this one. */
  const busyOrder = (name: string, does: () => void) => {
    const left: unknown[] = []
    const order = ranked(
      ({ request, sequence }) => {
        if (request === name && left.length === 0) {
          left.push('asked')
          does()
        }
        return sequence
      },
      { left: ({ request, sequence }, rank) => void left.push([request, rank === sequence]) },
    )
    return { order, left }
  }

  test('aborts it: it is refused, once, and the order hears that its rank is free', async () => {
    const caller = new AbortController()
    const { order, left } = busyOrder('a', () => caller.abort('enough'))
    const { gate, queue } = await busy({ order })
    const end = watch(queue.execute('a', { signal: caller.signal }))
    await turn()
    expect([end.error, left]).toEqual(['enough', ['asked', ['a', true]]])
    expect(queue.getStatus()).toMatchObject({ waiting: 0, totals: { rejected: 1 } })
    await gate.finishAll()
  })

  test('aborts it, and throws or refuses: it is refused once', async () => {
    const caller = new AbortController()
    const admit = (): never => {
      caller.abort('enough')
      throw thrown
    }
    const { queue } = gated({ overload: { name: 'g', admit } })
    const end = watch(queue.execute('a', { signal: caller.signal }))
    await turn()
    expect([end.error, queue.getStatus().totals.rejected]).toEqual(['enough', 1])
  })

  test('closes it: the newcomer is refused', async () => {
    const { order, left } = busyOrder('a', () => void queue.close())
    const { gate, queue } = await busy({ order })
    const end = watch(queue.execute('a'))
    await turn()
    expect([end.outcome, left]).toEqual(['TRIAGE_QUEUE_CLOSED', ['asked', ['a', true]]])
    await gate.finishAll()
  })

  test('submits another one with its id: it joins that one', async () => {
    let asked = 0
    const admit = () => {
      if (++asked === 1) watch(queue.execute('a', { id: 'same' }))
      return undefined
    }
    const { gate, queue } = gated({ overload: { name: 'g', admit } })
    const end = watch(queue.execute('a', { id: 'same' }))
    await gate.finishAll()
    expect([end.value, gate.started, queue.getStatus().totals.joined]).toEqual(['a', ['a'], 1])
  })

  test.each(['reject', 'block', 'shed'] as const)('fills the queue (%s): the bound holds', async (whenFull) => {
    const { order, left } = busyOrder('a', () => void watch(queue.execute('first')))
    const { gate, queue } = await busy({ order, maxQueueSize: 1, whenFull })
    const end = watch(queue.execute('a'))
    await turn()
    // The one that came meanwhile ranks behind it, and makes room for it if it may.
    expect(left).toEqual(['asked', [whenFull === 'shed' ? 'first' : 'a', true]])
    expect(queue.getStatus()).toMatchObject({ waiting: 1, totals: { rejected: whenFull === 'reject' ? 1 : 0 } })
    await gate.finishAll()
    expect(end.outcome).toBe(whenFull === 'reject' ? 'TRIAGE_QUEUE_FULL' : 'fulfilled')
  })

  test('and leaves: `left()` of a newcomer that comes too late for the place aborts it, before it is blocked', async () => {
    const caller = new AbortController()
    const order = ranked(
      ({ request, sequence }) => {
        if (request === 'a') watch(queue.execute('first'))
        return sequence
      },
      { left: () => caller.abort('enough') },
    )
    const { gate, queue } = await busy({ order, maxQueueSize: 1, whenFull: 'block' })
    const end = watch(queue.execute('a', { signal: caller.signal }))
    await turn()
    expect([end.error, queue.getStatus().blocked]).toEqual(['enough', 0])
    await gate.finishAll()
  })

  test('fills the place of one that was blocked: that one waits on', async () => {
    const { order, left } = busyOrder('blocked', () => void watch(queue.execute('first', { priority: 'urgent' })))
    const { gate, queue } = await busy({ order, maxQueueSize: 1, whenFull: 'block' })
    const ends = ['waits', 'blocked'].map((name) => watch(queue.execute(name)))
    await gate.finish('busy 0')
    expect(queue.getStatus()).toMatchObject({ waiting: 1, blocked: 1 })
    expect(left).toEqual(['asked', ['blocked', true]])
    await gate.finishAll()
    expect(ends.map(({ value }) => value)).toEqual(['waits', 'blocked'])
  })

  test('cancels one that is blocked when it would come in: it is refused', async () => {
    const { order } = busyOrder('blocked', () => queue.cancel('b'))
    const { gate, queue } = await busy({ order, maxQueueSize: 1, whenFull: 'block' })
    watch(queue.execute('waits'))
    const end = watch(queue.execute('blocked', { id: 'b' }))
    await gate.finishAll()
    expect([end.outcome, gate.started]).toEqual(['TRIAGE_CANCELLED', ['busy 0', 'waits']])
  })

  test('ends the one that is to be displaced, or makes room: nobody is displaced for nothing', async () => {
    const { order } = busyOrder('a', () => queue.cancel('low'))
    const { gate, queue } = await busy({ order, maxQueueSize: 2, whenFull: 'shed' })
    const low = ['low', 'other'].map((id) => watch(queue.execute(id, { id, priority: 'low' })))
    const end = watch(queue.execute('a'))
    await gate.finishAll()
    expect(low.map(({ outcome }) => outcome)).toEqual(['TRIAGE_CANCELLED', 'fulfilled'])
    expect(end.value).toBe('a')
  })

  test('is asked about another one in the middle: each guard is told of its own', async () => {
    const log: string[] = []
    let asked = 0
    const first: Guard = {
      name: 'first',
      admit: () => {
        if (++asked === 1) watch(queue.execute('inner', { priority: 'low' }))
        return undefined
      },
    }
    const second: Guard = {
      name: 'second',
      admit: ({ request, tier }) => void log.push(`${request} ${tier}`) as undefined,
    }
    const { gate, queue } = gated({ overload: [first, second] })
    watch(queue.execute('outer', { priority: 'urgent' }))
    expect(log).toEqual(['inner 3', 'outer 0'])
    await gate.finishAll()
  })
})

describe('a guard that is asked whether it would hold one, where nothing may wait', () => {
  /** It aborts at its nth question. */
  const aborting = (nth: number) => {
    const caller = new AbortController()
    let asked = 0
    const holdMs = (): number => {
      if (++asked === nth) caller.abort('enough')
      return 0
    }
    return { signal: caller.signal, overload: { name: 'g', holdMs } }
  }

  test('and aborts the newcomer: it is refused, once, and its rank is free', async () => {
    for (const whenFull of ['reject', 'shed'] as const) {
      for (const nth of [1, 2, 3]) {
        const left: unknown[] = []
        const order = ranked(({ sequence }) => sequence, { left: ({ request }) => void left.push(request) })
        const { signal, overload } = aborting(nth)
        const { gate, queue } = gated({ maxQueueSize: 'none', order, overload, whenFull })
        const end = watch(queue.execute('a', { signal }))
        await turn()
        const { rejected, cancelled } = queue.getStatus().totals
        expect([end.error, rejected + cancelled]).toEqual(['enough', 1])
        if (nth === 2) expect(left).toEqual(['a'])
        await gate.finishAll()
      }
    }
  })

  test('and aborts one that finds no slot: nobody is displaced for it, and it is not blocked', async () => {
    for (const whenFull of ['block', 'shed'] as const) {
      for (const nth of [1, 2, 3, 4]) {
        const { signal, overload } = aborting(nth + 1)
        const { gate, queue } = gated({ maxQueueSize: 'none', overload, whenFull })
        const low = watch(queue.execute('low', { priority: 'low' }))
        const end = watch(queue.execute('a', { signal }))
        await turn()
        await gate.finishAll()
        // It may have been asked less often; or have come in by then, for the slot of the other.
        const status = queue.getStatus()
        expect(low.outcome).toBe(status.totals.shed === 1 ? 'TRIAGE_SHED' : 'fulfilled')
        expect(['enough', 'fulfilled']).toContain(end.outcome)
        expect([lost(status), status.blocked, status.activeWorkers]).toEqual([0, 0, 0])
      }
    }
  })
})

test('a guard that aborts one that is blocked, while it is asked whether it would hold it: it does not come in', async () => {
  for (const order of [ranked(({ sequence }) => sequence), undefined]) {
    for (const nth of [1, 2, 3]) {
      const caller = new AbortController()
      let asked = Number.NEGATIVE_INFINITY
      const holdMs = (): number => {
        if (++asked === nth) caller.abort('enough')
        return 0
      }
      const overload: Guard = { name: 'g', holdMs }
      const options = { maxQueueSize: 'none', whenFull: 'block', overload, ...(order && { order }) } as const
      const { gate, queue } = gated(options)
      watch(queue.execute('first'))
      await turn()
      const end = watch(queue.execute('a', { signal: caller.signal }))
      expect(queue.getStatus().blocked).toBe(1)
      asked = 0
      await gate.finish('first')
      await gate.finishAll()
      const status = queue.getStatus()
      expect(['enough', 'fulfilled']).toContain(end.outcome)
      expect([lost(status), status.blocked, status.activeWorkers]).toEqual([0, 0, 0])
    }
  }
})

test('a guard that makes room for one that is blocked, while it is asked whether it would hold it: it comes in once', async () => {
  for (const nth of [1, 2, 3]) {
    let asked = Number.NEGATIVE_INFINITY
    const holdMs = (): number => {
      if (++asked === nth) queue.concurrency = 3
      return 0
    }
    const overload: Guard = { name: 'g', holdMs }
    const { gate, queue } = gated({ maxQueueSize: 'none', whenFull: 'block', overload })
    watch(queue.execute('first'))
    await turn()
    const end = watch(queue.execute('a'))
    expect(queue.getStatus().blocked).toBe(1)
    asked = 0
    await gate.finish('first')
    await gate.finishAll()
    const status = queue.getStatus()
    expect([end.outcome, gate.started]).toEqual(['fulfilled', ['first', 'a']])
    expect([lost(status), status.blocked, status.activeWorkers]).toEqual([0, 0, 0])
  }
})

test('an order that lets one that is blocked in, and then throws about it: it is in, and the error is reported', async () => {
  const reported: unknown[] = []
  let isOn = false
  const order = ranked(({ sequence }) => {
    if (!isOn) return sequence
    isOn = false
    // Those who are blocked come in by that.
    queue.concurrency = 2
    throw new Error('broken')
  })
  const onListenerError = (error: unknown): unknown => reported.push(error)
  const { gate, queue } = await busy({ order, maxQueueSize: 1, whenFull: 'block', debug: true, onListenerError })
  const all = ['waits', 'blocked'].map((name) => watch(queue.execute(name)))
  isOn = true
  await gate.finish('busy 0')
  await gate.finishAll()
  await queue.close()
  expect(all.map(({ state }) => state)).toEqual(['fulfilled', 'fulfilled'])
  expect(reported).toMatchObject([{ message: 'broken' }])
})

describe('a policy that calls the executor while it is asked about one that is in', () => {
  test('and cancels or moves it while it is moved: nothing is moved twice', async () => {
    for (const does of ['cancel', 'move'] as const) {
      let isOn = false
      const left: unknown[] = []
      const order = ranked(
        ({ sequence, tier }) => {
          if (isOn && tier === 0) {
            isOn = false
            if (does === 'cancel') handle.cancel()
            else handle.setPriority('high')
          }
          return sequence
        },
        { left: ({ tier }) => void left.push(tier) },
      )
      const { gate, queue } = await busy({ order })
      const handle = await queue.submit('a')
      isOn = true
      expect(handle.setPriority('urgent')).toBe(false)
      expect(handle.priority).toBe(does === 'cancel' ? 'normal' : 'high')
      expect([left, queue.getStatus().waiting]).toEqual([[2, 0], does === 'cancel' ? 0 : 1])
      await gate.finishAll()
    }
  })

  test('and cancels or moves one whose time has come: it stands where it belongs, or nowhere', async () => {
    for (const does of ['cancel', 'move'] as const) {
      let asked = 0
      const order = ranked(({ sequence }) => {
        if (++asked === 2) does === 'cancel' ? handle.cancel() : handle.setPriority('low')
        return sequence
      })
      const { clock, gate, queue } = await busy({ order })
      const handle = await queue.submit('a', { delayMs: 10 })
      await clock.advance(10)
      expect(handle.state).toBe(does === 'cancel' ? 'cancelled' : 'waiting')
      expect(queue.getStatus()).toMatchObject({ waitingByPriority: { normal: 0, low: does === 'cancel' ? 0 : 1 } })
      await gate.finishAll()
      expect(gate.started).toHaveLength(does === 'cancel' ? 1 : 2)
    }
  })

  test('and cancels the one that starts: it does not run, and keeps nothing', async () => {
    const order = ranked(({ sequence }) => sequence, { started: ({ request }) => void queue.cancel(`${request}`) })
    const { clock, gate, queue } = gated({ order })
    const end = watch(queue.execute('a', { id: 'a', timeoutMs: 50 }))
    await turn()
    expect([end.outcome, gate.started, clock.timers]).toEqual(['TRIAGE_CANCELLED', [], 0])
  })

  test('and pauses it, or lowers the limit, while the next one is to start: it does not', async () => {
    for (const does of ['pause', 'resize'] as const) {
      let isOn = false
      const holdMs = (): number => {
        if (isOn && does === 'pause') queue.pause()
        else if (isOn) queue.concurrency = 1
        return 0
      }
      const { gate, queue } = gated({ concurrency: 2, overload: { name: 'g', holdMs } })
      for (const name of ['a', 'b', 'c']) watch(queue.execute(name))
      await turn()
      isOn = true
      await gate.finish('a')
      expect(gate.started).toEqual(['a', 'b'])
      isOn = false
      queue.resume()
      await gate.finishAll()
      expect([gate.started, gate.mostRunning]).toEqual([['a', 'b', 'c'], 2])
    }
  })

  test('and submits when one has left: the newcomer finds its place free, and the bound holds', async () => {
    const order = ranked(({ sequence }) => sequence, { left: () => void watch(queue.execute('next')) })
    const { gate, queue } = await busy({ order, maxQueueSize: 1 })
    const handle = await queue.submit('a')
    handle.cancel()
    expect(queue.getStatus()).toMatchObject({ waiting: 1, totals: { rejected: 0 } })
    await gate.finishAll()
    expect(gate.started).toEqual(['busy 0', 'next'])
  })
})

describe('a signal of anybody’s making', () => {
  const made = (more: object): RequestOptions => {
    const signal = { aborted: false, reason: 'gone', addEventListener() {}, removeEventListener() {}, ...more }
    return { signal: signal as unknown as AbortSignal }
  }

  test('that can’t be listened to refuses its request, and the next one can', async () => {
    let isBroken = true
    const options = made({ addEventListener: () => isBroken && throws() })
    const { gate, queue } = await busy()
    const end = watch(queue.execute('a', options))
    await turn()
    expect(end.error).toBe(thrown)
    isBroken = false
    const next = watch(queue.execute('a', options))
    await gate.finishAll()
    expect(next.value).toBe('a')
  })

  test('that is aborted when it is listened to: with an event, or without', async () => {
    for (const tells of [true, false]) {
      const signal = {
        aborted: false,
        reason: 'gone',
        addEventListener(_: string, listener: () => void) {
          signal.aborted = true
          if (tells) listener()
        },
        removeEventListener() {},
      }
      const { gate, queue } = await busy()
      const end = watch(queue.execute('a', { signal: signal as unknown as AbortSignal }))
      await turn()
      expect([end.error, queue.getStatus().totals]).toMatchObject(['gone', { admitted: 1, rejected: 1 }])
      await gate.finishAll()
    }
  })

  test('that throws when it is let go of is reported, and its request ends as it would', async () => {
    const { errors, onListenerError } = told()
    const { gate, queue } = await busy({ onListenerError })
    const end = watch(queue.execute('a', made({ removeEventListener: throws })))
    await gate.finishAll()
    expect([end.value, errors]).toEqual(['a', [thrown]])
  })

  test('that throws when it is asked for its reason: what it throws is the reason', async () => {
    let abort = (): void => {}
    const options = made({
      addEventListener: (_: string, listener: () => void) => {
        abort = listener
      },
    })
    Object.defineProperty(options.signal, 'reason', { get: throws })
    const { gate, queue } = await busy()
    const end = watch(queue.execute('a', options))
    abort()
    await turn()
    expect(end.error).toBe(thrown)
    const late = watch(
      queue.execute(
        'late',
        Object.defineProperty(made({ aborted: true }), 'signal', {
          value: {
            aborted: true,
            addEventListener() {},
            removeEventListener() {},
            get reason() {
              return throws()
            },
          },
        }),
      ),
    )
    await turn()
    expect(late.error).toBe(thrown)
    await gate.finishAll()
  })

  test('that throws when it is asked whether it was aborted keeps nobody out', async () => {
    const { errors, onListenerError } = told()
    const { gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'block', onListenerError })
    watch(queue.execute('waits'))
    const options = made({})
    const end = watch(queue.execute('blocked', options))
    Object.defineProperty(options.signal, 'aborted', { get: throws })
    await gate.finishAll()
    expect([end.value, errors]).toEqual(['blocked', [thrown]])
    // A refusal is counted by its own error, then.
    const other = made({})
    const admit = () => {
      Object.defineProperty(other.signal, 'aborted', { get: throws })
      return no
    }
    const late = gated({ overload: { name: 'g', admit } })
    const refused = watch(late.queue.execute('a', other))
    await turn()
    expect(refused.outcome).toBe('TRIAGE_OVERLOADED')
  })

  test('that throws while a run that holds its slot asks whether all have left: nobody has, as far as is known', async () => {
    let abort = (): void => {}
    const options = made({
      addEventListener: (_: string, listener: () => void) => {
        abort = listener
      },
    })
    const { gate, queue } = gated()
    const end = watch(queue.execute('a', options))
    await turn()
    const { run } = gate.call('a')
    let isRead = (): void => {}
    run.holdUntil(new Promise<void>((resolve) => (isRead = resolve)))
    await gate.finish('a')
    Object.defineProperty(options.signal, 'aborted', { get: throws })
    expect(abort).not.toThrow()
    expect([end.value, run.signal.aborted]).toEqual(['a', false])
    isRead()
    await turn()
    expect(queue.getStatus().activeWorkers).toBe(0)
  })

  test('whose methods submit when it is let go of: whoever takes the place has it', async () => {
    const ends: { readonly outcome: unknown }[] = []
    const options = made({ removeEventListener: () => ends.push(watch(queue.execute('quick', { priority: 'high' }))) })
    const { gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'shed' })
    const low = watch(queue.execute('low', { ...options, priority: 'low' }))
    const end = watch(queue.execute('a', { priority: 'high' }))
    await turn()
    expect(queue.getStatus().waiting).toBe(1)
    await gate.finishAll()
    expect([low.outcome, end.outcome, ends[0]?.outcome]).toEqual(['TRIAGE_SHED', 'TRIAGE_QUEUE_FULL', 'fulfilled'])
  })

  test.each([0, 1, 2, 3, 4, 5])(
    'that submits when it is asked whether it was aborted (%i): the bound holds',
    async (nth) => {
      for (const maxQueueSize of [1, 'none'] as const) {
        const ends: { readonly outcome: unknown }[] = []
        const options = made({})
        let asked = 0
        Object.defineProperty(options.signal, 'aborted', {
          get: () => {
            if (asked++ === nth) ends.push(watch(queue.execute('quick', { priority: 'high' })))
            return false
          },
        })
        const { gate, queue } = gated({ maxQueueSize, whenFull: 'shed' })
        if (maxQueueSize === 1) await queue.submit('first')
        if (maxQueueSize === 1) await turn()
        ends.push(watch(queue.execute('low', { priority: 'low' })))
        ends.push(watch(queue.execute('a', { ...options, priority: 'high' })))
        expect(queue.getStatus().waiting).toBe(maxQueueSize === 1 ? 1 : 0)
        await gate.finishAll()
        const outcomes = ends.map(({ outcome }) => outcome)
        expect(outcomes.filter((outcome) => outcome === 'fulfilled')).toHaveLength(1)
        expect(outcomes).toContain('TRIAGE_SHED')
      }
    },
  )

  test('whose methods close the executor when it is let go of: the one that displaces is refused', async () => {
    const left: unknown[] = []
    const order = ranked(() => 0, { left: ({ request }) => void left.push(request) })
    for (const more of [{}, { order }]) {
      const options = made({ removeEventListener: () => void queue.close() })
      const { gate, queue } = await busy({ maxQueueSize: 1, whenFull: 'shed', ...more })
      const low = watch(queue.execute('low', { ...options, priority: 'low' }))
      const end = watch(queue.execute('a', { priority: 'high' }))
      await gate.finishAll()
      expect([low.outcome, end.outcome]).toEqual(['TRIAGE_SHED', 'TRIAGE_QUEUE_CLOSED'])
    }
    // The rank of the one that does not come in is free, too.
    expect(left).toEqual(['a', 'low'])
  })

  test.each(['addEventListener', 'aborted'] as const)(
    'whose `%s` closes the executor: its request does not come in, nor is it blocked for ever',
    async (member) => {
      for (const maxQueueSize of [1, 2]) {
        const { gate, queue } = await busy({ maxQueueSize, whenFull: 'block', maxBlocked: 1 })
        const waits = watch(queue.execute('waits'))
        const options = made({})
        const get = () => {
          queue.close()
          return member === 'aborted' ? false : () => {}
        }
        Object.defineProperty(options.signal, member, { get })
        const end = watch(queue.execute('a', options))
        await turn()
        await gate.finishAll()
        expect([waits.value, end.outcome]).toEqual(['waits', 'TRIAGE_QUEUE_CLOSED'])
      }
    },
  )

  test('whose methods have the last of the others leave, when the first of them does: the request has ended', async () => {
    const { gate, queue } = await busy({ debug: true })
    const options = made({ removeEventListener: () => joined.cancel() })
    const first = await queue.submit('a', { ...options, id: 'a' })
    const joined = await queue.submit('a', { id: 'a' })
    const ends = [watch(first.result), watch(joined.result)]
    expect([first.cancel(), first.state, joined.state, queue.get('a')]).toEqual([
      ...[true, 'cancelled', 'cancelled', undefined],
    ])
    await gate.finishAll()
    expect([gate.started, queue.getStatus().totals.cancelled]).toEqual([['busy 0'], 1])
    expect(ends.map(({ outcome }) => outcome)).toEqual(['TRIAGE_CANCELLED', 'TRIAGE_CANCELLED'])
  })
})

test('an answer whose `then` is a getter finds a request that has ended, with that very answer', async () => {
  const seen: unknown[] = []
  let reads = 0
  const answer = Object.defineProperty({}, 'then', {
    get() {
      if (++reads < 2) return
      seen.push(handle.state, queue.get('a'), watch(handle.result))
    },
  })
  const { gate, queue } = gated()
  const handle = await queue.submit('a', { id: 'a' })
  const end = watch(handle.result)
  await gate.finish('a', answer)
  await turn()
  expect(seen.slice(0, 2)).toEqual(['completed', undefined])
  expect([end.value, (seen[2] as typeof end).value]).toEqual([answer, answer])
})

test('an error that can’t be looked at is handed on as it is, by whatever it was thrown', async () => {
  for (const options of [
    {
      order: ranked(() => {
        throw proxy
      }),
    },
    {
      overload: {
        name: 'g',
        admit: () => {
          throw proxy
        },
      },
    },
  ]) {
    const end = watch(gated(options).queue.execute('a'))
    await turn()
    expect(end.error === proxy).toBe(true)
  }
})

test('metadata and requests are handed on, and never looked at', async () => {
  const { gate, queue } = gated({ order: aging() })
  const end = watch(queue.execute(proxy as never, { metadata: proxy }))
  await turn()
  expect(gate.call(proxy as never).run.metadata === proxy).toBe(true)
  gate.call(proxy as never).finish('well')
  await turn()
  expect(end.value).toBe('well')
})

test('what others must have ended is read when the request is in, whatever its getter calls', async () => {
  const after = Object.defineProperty({}, 'result', {
    get() {
      const { waiting, totals } = queue.getStatus()
      queue.cancel('a')
      return Promise.resolve([waiting, totals.admitted])
    },
  })
  const { queue } = gated()
  const end = watch(queue.execute('a', { id: 'a', after: [after as { readonly result: Promise<unknown> }] }))
  await turn()
  expect([end.outcome, queue.getStatus().waiting]).toEqual(['TRIAGE_CANCELLED', 0])
})
