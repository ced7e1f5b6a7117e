/**
 * `whenFull: 'block'`: who is blocked, who is let in and in which order, and who is told that there is room.
 */
import fc from 'fast-check'
import { priorities, QueuedExecutor } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect } from 'vitest'
import { BlockedModel, type Bounds, type Caller } from './support/blocked-model.ts'
import { agrees, command, Outcome } from './support/commands.ts'

const SIGNALS = 2

class Real {
  readonly clock = new VirtualClock()
  readonly executor: QueuedExecutor<number, number>
  readonly admitted: number[] = []
  readonly started: number[] = []
  readonly answers = new Map<number, (n: number) => void>()
  readonly admissions: Outcome[] = []
  readonly results: (Outcome | undefined)[] = []
  readonly ready: Outcome[] = []
  readonly controllers = Array.from({ length: SIGNALS }, () => new AbortController())

  constructor({ total, low, maxBlocked }: Bounds, concurrency: number) {
    this.executor = new QueuedExecutor<number, number>((n) => this.#execute(n), {
      concurrency,
      maxQueueSize: { total, low },
      whenFull: 'block',
      maxBlocked,
      runTimeoutMs: Number.POSITIVE_INFINITY,
      clock: this.clock,
    })
    this.executor.on('queued', ({ request }) => this.admitted.push(request as number))
  }

  #execute(n: number): Promise<number> {
    this.started.push(n)
    return new Promise((resolve) => this.answers.set(n, resolve))
  }
}

type Blocked = ReturnType<typeof command<BlockedModel, Real>>

const LOW = priorities.indexOf('low')
// More of the lowest, which has a bound of its own.
const tier = fc.oneof(fc.constant(LOW), fc.nat(LOW))
const which = fc.nat()
const live = ({ callers }: Readonly<BlockedModel>): Caller[] => callers.filter(({ where }) => where !== 'over')
const hasLive = (model: Readonly<BlockedModel>): boolean => live(model).length > 0

interface Arrival {
  readonly tier: number
  readonly signal: number | undefined
  readonly waitTimeoutMs: number
}

const arrival: fc.Arbitrary<Arrival> = fc.record({
  tier,
  signal: fc.option(fc.nat(SIGNALS - 1), { nil: undefined, freq: 2 }),
  waitTimeoutMs: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 1, max: 12 })),
})

function arrive(model: BlockedModel, real: Real, { tier, signal, waitTimeoutMs }: Arrival): void {
  const n = model.callers.length
  model.arrive({ n, tier, signal, dueAt: model.now + waitTimeoutMs })
  const controller = signal === undefined ? undefined : real.controllers[signal]
  const submitted = real.executor.submit(n, {
    id: `${n}`,
    priority: priorities[tier] as (typeof priorities)[number],
    waitTimeoutMs,
    ...(controller !== undefined && { signal: controller.signal }),
  })
  real.admissions[n] = new Outcome(submitted, () => 'admitted')
  submitted.then(
    ({ result }) => {
      real.results[n] = new Outcome(result)
    },
    () => {},
  )
}

const advance = fc.integer({ min: 1, max: 8 }).map((ms) =>
  command<BlockedModel, Real>(`advance(${ms})`, async (model, { clock }) => {
    await clock.advance(ms)
    model.pass(ms)
  }),
)

const close = command<BlockedModel, Real>('close()', (model, { executor }) => {
  void executor.close()
  model.close()
})

const commands: fc.Arbitrary<Blocked>[] = [
  ...[arrival, arrival].map((each) =>
    each.map((it) => command<BlockedModel, Real>(`submit(${JSON.stringify(it)})`, (m, r) => arrive(m, r, it))),
  ),
  ...[which, which].map((each) =>
    each.map((it) =>
      command<BlockedModel, Real>(
        `finish(${it})`,
        (model, { answers }) => {
          const call = model.calls[it % model.calls.length] as Caller
          answers.get(call.n)?.(call.n)
          model.finish(call)
        },
        ({ calls }) => calls.length > 0,
      ),
    ),
  ),
  which.map((it) =>
    command<BlockedModel, Real>(
      `cancel(${it})`,
      (model, { executor }) => {
        const caller = live(model)[it % live(model).length] as Caller
        expect(executor.cancel(`${caller.n}`)).toBe(true)
        model.leave(caller, 'TRIAGE_CANCELLED')
      },
      hasLive,
    ),
  ),
  fc.tuple(which, tier).map(([it, tier]) =>
    command<BlockedModel, Real>(
      `setPriority(${it}, ${priorities[tier]})`,
      (model, { executor }) => {
        const callers = [...model.all('blocked'), ...model.all('waiting')]
        const caller = callers[it % callers.length] as Caller
        const priority = priorities[tier] as (typeof priorities)[number]
        expect(executor.get(`${caller.n}`)?.setPriority(priority)).toBe(model.move(caller, tier))
      },
      (model) => model.all('blocked').length + model.all('waiting').length > 0,
    ),
  ),
  fc.nat(SIGNALS - 1).map((signal) =>
    command<BlockedModel, Real>(`abort(${signal})`, (model, { controllers }) => {
      controllers[signal]?.abort(new Error('aborted'))
      controllers[signal] = new AbortController()
      model.abort(signal)
    }),
  ),
  fc.integer({ min: 1, max: 3 }).map((limit) =>
    command<BlockedModel, Real>(`concurrency = ${limit}`, (model, { executor }) => {
      executor.concurrency = limit
      model.limit = limit
      model.goOn()
    }),
  ),
  tier.map((tier) =>
    command<BlockedModel, Real>(`ready(${priorities[tier]})`, (model, { executor, ready }) => {
      ready.push(new Outcome(executor.ready(priorities[tier])))
      model.ask(tier)
    }),
  ),
  fc.constant(
    command<BlockedModel, Real>(
      'pause() or resume()',
      (model, { executor }) => {
        model.isPaused = !model.isPaused
        if (model.isPaused) executor.pause()
        else {
          executor.resume()
          model.goOn()
        }
      },
      ({ isClosing }) => !isClosing,
    ),
  ),
  // Rarely closed, for little happens after it.
  fc.oneof({ weight: 5, arbitrary: advance }, { weight: 1, arbitrary: fc.constant(close) }),
]

agrees(
  'blocked callers come in by priority, then as they came, as soon as there is room, and nobody else before them',
  {
    setting: fc.record({
      total: fc.integer({ min: 1, max: 3 }),
      low: fc.integer({ min: 1, max: 3 }),
      maxBlocked: fc.integer({ min: 1, max: 4 }),
      concurrency: fc.integer({ min: 1, max: 2 }),
    }),
    make: ({ concurrency, ...bounds }) => ({
      model: new BlockedModel(bounds, concurrency),
      real: new Real(bounds, concurrency),
    }),
    commands,
    agree: async (model, { clock, executor, ...real }) => {
      await clock.settle()
      model.turn()
      expect(real.admitted).toEqual(model.admitted)
      expect(real.started).toEqual(model.started)
      const { callers } = model
      const expected = callers.map(({ where }) => (where === 'over' ? undefined : where))
      expect(callers.map(({ n }) => executor.get(`${n}`)?.state)).toEqual(expected)
      expect(real.admissions.map(({ word }) => word)).toEqual(callers.map(({ admission }) => admission))
      expect(callers.map(({ n }) => real.results[n]?.word ?? 'open')).toEqual(callers.map(({ result }) => result))
      expect(real.ready.map(({ word }) => word)).toEqual(model.ready.map(({ expected }) => expected))
      for (const [place, { n }] of model.all('waiting').entries()) expect(executor.position(`${n}`)).toBe(place)
    },
    end: async (model, { clock, executor, answers }) => {
      const closing = new Outcome(executor.close({ drain: false, graceMs: 0 }))
      await clock.advance(0)
      for (const answer of answers.values()) answer(0)
      await clock.settle()
      expect(closing.word).toBe('undefined')
      expect(clock.timers).toBe(0)
      const totals = executor.getStatus().totals
      expect(totals.admitted).toBe(model.admitted.length)
      expect(totals.completed + totals.failed + totals.expired + totals.cancelled + totals.shed).toBe(totals.admitted)
    },
    runs: 600,
  },
)
