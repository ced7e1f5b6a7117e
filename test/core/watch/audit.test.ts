/**
 * With `debug: true` a law that is broken is an uncaught exception with the state. Each law is broken here in turn, by
 * numbers that no engine should ever show.
 */
import { QueuedExecutor, strict, weighted } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { type Instant, Timeline } from '../../../src/core/clock.ts'
import { Tiers } from '../../../src/core/queue/tiers.ts'
import { TimeLimits } from '../../../src/core/queue/time-limits.ts'
import { RequestRecord } from '../../../src/core/request-record.ts'
import { Audit, type AuditedNumbers } from '../../../src/core/watch/audit.ts'
import { collectBroken } from '../../support/broken.ts'

const broken = collectBroken()
afterEach(() => {
  vi.restoreAllMocks()
})

const instant: Instant = new Timeline(new VirtualClock(), {}).instant()

function record(tier = 2, rank = 0, cost = 1): RequestRecord {
  const made = new RequestRecord(undefined, tier, instant)
  made.rank = rank
  if (cost > 1) made.more().cost = cost
  return made
}

type World = ReturnType<typeof audited>
type Step = 'admit' | 'refuse' | 'start' | 'call' | 'settle' | 'end' | ((world: World, each: RequestRecord) => unknown)

/** What happens to one request: `start` admits it first. */
function inTurn(...steps: Step[]): (world: World) => void {
  return (world) => {
    const each = record()
    const { audit, admit, start, end } = world
    for (const step of steps) {
      if (step === 'admit') admit(each)
      else if (step === 'refuse') audit.refused(each)
      else if (step === 'start') start(admit(each))
      else if (step === 'call') audit.called(each)
      else if (step === 'settle') audit.returned(each)
      else if (step === 'end') end(each)
      else step(world, each)
    }
  }
}

/** An audit, and the numbers that it is shown: right ones, until a test says otherwise. */
function audited(waiting: RequestRecord[] = []) {
  const numbers: { -readonly [K in keyof AuditedNumbers]: number } = {
    ...{ admitted: 0, ended: 0, waiting: 0, running: 0, retrying: 0, blocked: 0, now: 0 },
    ...{ maxQueueSize: 2, maxRetrying: 1, maxBlocked: 1, slots: 2, substitutes: 0 },
  }
  const held = { timers: 0, ids: 0 }
  const audit = new Audit({
    numbers: () => numbers,
    queued: () => waiting,
    goesBefore: (one, other) => one.tier < other.tier,
    held: () => held,
    state: () => ({ shown: 'state' }),
  })
  const admit = (each = record()): RequestRecord => {
    numbers.admitted++
    numbers.waiting++
    audit.admitted(each)
    return each
  }
  const start = (each: RequestRecord): RequestRecord => {
    numbers.waiting--
    numbers.running++
    audit.starts(each)
    return each
  }
  const end = (each: RequestRecord): void => {
    numbers.running--
    numbers.ended++
    audit.ended(each)
  }
  return { audit, numbers, held, admit, start, end }
}

describe('an audit', () => {
  test('has nothing to say of a whole life', () => {
    const { audit, numbers, admit, start, end } = audited()
    const one = start(admit())
    audit.called(one)
    audit.returned(one)
    numbers.running--
    numbers.retrying++
    audit.retries(one)
    numbers.retrying--
    numbers.waiting++
    start(one)
    audit.called(one)
    audit.returned(one)
    end(one)
    audit.refused(record())
    audit.rests()
    // At rest, time may begin anew.
    numbers.now = -5
    numbers.blocked = numbers.maxBlocked
    end(start(admit()))
    audit.closed()
    expect(broken).toEqual([])
  })

  const ways: [law: number, name: string, way: (world: World) => unknown][] = [
    [1, 'numbers that do not add up', inTurn(({ numbers }) => numbers.running++, 'admit')],
    [1, 'an admission in secret', inTurn(({ numbers }) => numbers.admitted++ + numbers.ended++, 'admit')],
    [1, 'an end in secret', inTurn(({ numbers }) => numbers.ended++, 'admit')],
    [
      1,
      'a start that it does not count',
      inTurn('admit', ({ audit, numbers }, each) => [numbers.running++, audit.starts(each)]),
    ],
    [
      1,
      'an attempt that it counts twice',
      inTurn('start', ({ audit, numbers }, each) => [numbers.retrying++, audit.retries(each)]),
    ],
    [1, 'an end that it does not count', inTurn('start', ({ audit }, each) => audit.ended(each))],
    [1, 'two ends', inTurn('start', 'end', 'end')],
    [2, 'two admissions', inTurn('admit', 'admit')],
    [2, 'an admission after the end', inTurn('start', 'end', 'admit')],
    [2, 'an admission after a refusal', inTurn('refuse', 'admit')],
    [2, 'a refusal after the admission', inTurn('admit', 'refuse')],
    [2, 'a start of one that runs', inTurn('start', ({ audit }, each) => audit.starts(each))],
    [2, 'a call of one that waits', inTurn('admit', 'call')],
    [2, 'another attempt of one that waits', inTurn('admit', ({ audit }, each) => audit.retries(each))],
    [4, 'too many who wait', ({ admit }) => [1, 2, 3].map(() => admit())],
    [
      4,
      'too many who are retried',
      ({ audit, numbers, admit, start }) => {
        for (const each of [start(admit()), start(admit())]) {
          numbers.running--
          numbers.retrying++
          audit.retries(each)
        }
      },
    ],
    [4, 'too many who are blocked', inTurn(({ numbers }) => numbers.blocked++ + numbers.blocked++, 'admit')],
    [5, 'too many calls', ({ admit, start }) => [1, 2, 3].map(() => start(admit()))],
    [5, 'calls that take too many slots', ({ admit, start }) => [1, 2].map((cost) => start(admit(record(2, 0, cost))))],
    [5, 'a call that settles twice', inTurn('start', 'call', 'settle', 'settle')],
    [6, 'a close with somebody unanswered', inTurn('admit', ({ audit }) => audit.closed())],
    [
      9,
      'a timer at rest',
      inTurn(
        ({ held }) => held.timers++,
        ({ audit }) => audit.rests(),
      ),
    ],
    [11, 'time that runs backwards', ({ numbers, admit }) => [admit(), numbers.now--, admit()]],
  ]
  test.each(ways)('sees law %d broken by %s, once, and shows the state', async (law, _name, way) => {
    way(audited())
    // What is held at rest is looked at once more, a microtask later.
    await undefined
    expect(broken).toMatchObject([{ code: 'TRIAGE_INVARIANT', name: 'InvariantError', law, state: { shown: 'state' } }])
    expect(broken[0]?.message).toMatch(/^Law \d+ is broken: \w.{9,}/)
  })

  test('sees law 3 broken by a start that was not first, of its own priority or another', () => {
    for (const [waits, starts] of [
      [record(1), record(2)],
      [record(2, 1), record(2, 2)],
    ] as const) {
      const { admit, start } = audited([waits])
      start(admit(starts))
    }
    const younger = record(2, 1)
    younger.sequence = -1
    const { admit, start } = audited([younger])
    start(admit(record(2, 1)))
    expect(broken.map(({ law }) => law)).toEqual([3, 3, 3])
    expect(broken[0]?.message).toBe('Law 3 is broken: a normal request has started before a high one that was first')
    const [older, later] = [record(2, 2), record(2, 1)]
    older.sequence = -1
    later.sequence = 1
    const fine = audited([record(2, 2), older, later, record(3, 0)])
    fine.start(fine.admit(record(2, 1)))
    expect(broken).toHaveLength(3)
  })

  test('has nothing to say of what is held in the middle of a step, and not a microtask later', async () => {
    const { audit, held } = audited()
    held.ids++
    audit.rests()
    held.ids--
    await undefined
    expect(broken).toEqual([])
  })

  test('lets run alone what takes more slots than there are, also beside calls that have substitutes', () => {
    const { numbers, admit, start } = audited()
    start(admit(record(2, 0, 3)))
    expect(broken).toEqual([])
    numbers.substitutes = 3
    start(admit(record(2, 0, 3)))
    expect(broken).toEqual([])
    start(admit())
    expect(broken).toMatchObject([{ law: 5 }])
  })

  test('counts a substitute as a slot', () => {
    const { numbers, admit, start } = audited()
    numbers.substitutes = 1
    for (let n = 0; n < 3; n++) start(admit())
    expect(broken).toEqual([])
    start(admit())
    expect(broken).toMatchObject([{ law: 5 }])
  })

  test('gives back the slot when the call has settled, whenever the request ends', () => {
    const backingOff = audited()
    backingOff.numbers.slots = 1
    const one = backingOff.start(backingOff.admit())
    backingOff.audit.called(one)
    backingOff.audit.returned(one)
    backingOff.numbers.running--
    backingOff.numbers.retrying++
    backingOff.audit.retries(one)
    backingOff.start(backingOff.admit())
    expect(broken).toEqual([])
    const stuck = audited()
    stuck.numbers.slots = 1
    const other = stuck.start(stuck.admit())
    stuck.audit.called(other)
    stuck.end(other)
    stuck.start(stuck.admit())
    expect(broken).toMatchObject([{ law: 5 }])
  })

  test('gives back the slot of one that was ended on its way to the call', () => {
    const { numbers, admit, start, end } = audited()
    numbers.slots = 1
    end(start(admit()))
    start(admit())
    expect(broken).toEqual([])
  })
})

describe('the option debug', () => {
  test('is off, unless asked for by itself or the environment', () => {
    const settingOf = (options = {}) => new QueuedExecutor(() => 1, options).settings.debug
    vi.stubEnv('TRIAGE_DEBUG', '')
    expect([settingOf(), settingOf({ debug: true })]).toEqual([false, true])
    vi.stubEnv('TRIAGE_DEBUG', '1')
    expect([settingOf(), settingOf({ debug: false })]).toEqual([true, false])
    vi.unstubAllEnvs()
    expect(() => settingOf({ debug: 1 })).toThrow("Option 'debug': expected a boolean, got 1")
  })

  test('shows what the executor itself has got wrong, with its status and its workers', async () => {
    const shift = vi.spyOn(Tiers.prototype, 'shift').mockImplementation(function (this: Tiers<RequestRecord>) {
      const last = [...this.entries()].at(-1)
      if (last !== undefined) this.delete(last)
      return last
    })
    const clock = new VirtualClock()
    const queue = new QueuedExecutor(() => clock.sleep(1), { clock, concurrency: 1, debug: true })
    await clock.run({ until: Promise.all([queue.execute('a'), queue.execute('b')]) })
    await queue.close()
    expect(shift).toHaveBeenCalled()
    expect(broken).toMatchObject([{ law: 3, state: { name: 'triage', waiting: 1, workers: [{ slot: 0 }] } }])
  })

  test('shows a start that passes one of a higher priority', async () => {
    vi.spyOn(Tiers.prototype, 'shift').mockImplementation(function (this: Tiers<RequestRecord>) {
      const low = this.firstAt(3)
      if (low !== undefined) this.delete(low)
      return low
    })
    const queue = new QueuedExecutor(() => 1, { concurrency: 1, debug: true })
    const urgent = queue.submit('urgent', { priority: 'urgent' })
    await queue.execute('low', { priority: 'low' })
    expect(broken).toMatchObject([
      { law: 3, message: expect.stringContaining('a low request has started before a urgent') },
    ])
    ;(await urgent).result.catch(() => {})
    await queue.close({ graceMs: 0 })
  })

  test('has nothing to say of a slot that is kept for a priority, nor of one that is tried again', async () => {
    const clock = new VirtualClock()
    const started: string[] = []
    const queue = new QueuedExecutor(
      async (name: string, { attempt }) => {
        started.push(name)
        await clock.sleep(10)
        if (attempt === 1) throw new Error('first')
      },
      { clock, concurrency: 2, reserve: { low: 1 }, retry: { name: 'once', delayMs: () => 5 }, debug: true },
    )
    const all = ['urgent', 'urgent', 'low'].map((name) => queue.execute(name, { priority: name as 'urgent' | 'low' }))
    await clock.run({ until: Promise.all(all) })
    expect([started.slice(0, 2).sort(), started.length]).toEqual([['low', 'urgent'], 6])
    await clock.run({ until: queue.close() })
    expect(broken).toEqual([])
  })

  test.each([strict(), weighted({ urgent: 1, low: 1 })])(
    'finds nothing wrong where all is right: $name',
    async (order) => {
      const clock = new VirtualClock()
      const bounds = { concurrency: 2, maxQueueSize: 5, runTimeoutMs: 5, timeoutMs: 99 }
      const options = { ...bounds, clock, order, whenFull: 'shed' as const, debug: true }
      const queue = new QueuedExecutor(
        (ms: number) => (ms < 0 ? Promise.reject(new Error()) : clock.sleep(ms)),
        options,
      )
      const send = (ms: number, index: number) =>
        queue.execute(ms, { priority: index % 2 ? 'low' : 'urgent', cost: (index % 2) + 1 }).catch(() => {})
      const ends = [-1, 9, 3, 2, 7, 4, 1, 1].map(send)
      const leaves = await queue.submit(1)
      leaves.cancel()
      await clock.run({ until: Promise.all([...ends, leaves.result.catch(() => {})]) })
      await clock.advance(10)
      expect(queue.getStatus()).toMatchObject({ activeWorkers: 0, totals: { failed: 1, cancelled: 1 } })
      await clock.run({ until: queue.execute(1) })
      await clock.run({ until: queue.close() })
      expect(broken).toEqual([])
    },
  )

  test('finds nothing wrong where one is on its way in as the last one ends, and runs a microtask later', async () => {
    const queue = new QueuedExecutor(async (name) => name, { concurrency: 1, debug: true })
    const comesAndGoes = (): void => void queue.offer('b', { id: 'b' })?.cancel()
    const signal = { aborted: false, addEventListener: comesAndGoes, removeEventListener() {} }
    expect(await queue.execute('a', { signal: signal as unknown as AbortSignal })).toBe('a')
    expect(broken).toEqual([])
  })

  const methods = ['addEventListener', 'removeEventListener'] as const
  test.each(methods)('finds nothing wrong where `%s` of a signal submits another, and cancels it', async (method) => {
    const queue = new QueuedExecutor(() => 1, { concurrency: 1, maxQueueSize: 3, debug: true })
    const comesAndGoes = (): void => {
      const handle = queue.offer('b', { id: 'b' })
      expect([handle?.state, handle?.cancel()]).toEqual(['waiting', true])
    }
    const signal = { aborted: false, addEventListener() {}, removeEventListener() {}, [method]: comesAndGoes }
    const first = await queue.submit('a', { signal: signal as unknown as AbortSignal })
    first.cancel()
    await queue.execute('c')
    await queue.close()
    expect(broken).toEqual([])
  })

  test('finds nothing wrong where reading the answer submits another', async () => {
    const queue = new QueuedExecutor(() => answer, { concurrency: 1, debug: true })
    let reads = 0
    const answer = Object.defineProperty({}, 'then', { get: () => void (++reads === 2 && queue.offer('b')) })
    await queue.execute('a')
    await queue.close()
    expect([reads > 2, queue.getStatus().totals.completed, broken]).toEqual([true, 2, []])
  })

  test('shows what the executor has left behind when it rests', async () => {
    vi.spyOn(TimeLimits.prototype, 'clear').mockImplementation(() => {})
    const queue = new QueuedExecutor(() => 1, { timeoutMs: 50, debug: true })
    await queue.execute('a')
    await queue.close()
    expect(broken).toMatchObject([{ law: 9, state: { state: 'open', waiting: 0, running: 0 } }])
  })

  test('shows who has no answer when it has closed', async () => {
    vi.spyOn(Audit.prototype, 'ended').mockImplementation(() => {})
    const queue = new QueuedExecutor(() => 1, { debug: true })
    await queue.execute('a')
    await queue.close()
    expect(broken.at(-1)).toMatchObject({ law: 6, state: { state: 'closed' } })
  })
})
