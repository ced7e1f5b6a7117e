/**
 * Slots on their own, against an array of slots: who runs where, when a run is over its time, and who is told of room.
 */
import fc from 'fast-check'
import { type StuckPolicy, WorkerPool } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect } from 'vitest'
import { agrees, command, Outcome } from './support/commands.ts'

const RUN_MS = 10

/** What a run does: answers or throws at once, hangs until it is let go, or until its signal is aborted. */
type Work = 'answers' | 'throws' | 'hangs' | 'hears'

interface Call {
  readonly n: number
  readonly work: Work
  readonly since: number
  stuck: boolean
}

interface Slot {
  call: Call | undefined
  processed: number
  errors: number
}

interface Setting {
  readonly concurrency: number
  readonly onStuck: StuckPolicy
  readonly maxReplaced: number
}

class Model {
  readonly maxReplaced: number
  limit: number
  now = 0
  /** What the promise of each run must become. */
  readonly outcomes: string[] = []
  readonly slots: Slot[] = []
  /** The one that was freed last is taken first. */
  readonly #free: Slot[] = []
  readonly asked: { readonly wanted: 'slot' | 'idle'; expected: string }[] = []

  constructor({ concurrency, onStuck, maxReplaced }: Setting) {
    this.limit = concurrency
    this.maxReplaced = onStuck === 'replace' ? maxReplaced : 0
  }

  get calls(): Call[] {
    return this.slots.flatMap(({ call }) => call ?? [])
  }

  get free(): number {
    const stuck = this.calls.filter((call) => call.stuck).length
    return Math.max(this.limit + Math.min(stuck, this.maxReplaced) - this.calls.length, 0)
  }

  /** As many runs in one burst as there are works; those for whom no slot is free are refused. */
  run(works: readonly Work[]): void {
    const { free } = this
    const first = this.outcomes.length
    for (const index of works.keys()) this.outcomes.push(index < free ? 'open' : 'TRIAGE_QUEUE_FULL')
    for (const [index, work] of works.slice(0, free).entries()) {
      const slot = this.#free.pop() ?? this.#newSlot()
      slot.call = { n: first + index, work, since: this.now, stuck: false }
      if (work === 'answers' || work === 'throws') this.settle(slot.call)
    }
    this.tell()
  }

  settle(call: Call): void {
    const slot = this.slots.find((other) => other.call === call) as Slot
    const fails = call.work === 'throws' || call.work === 'hears'
    slot.call = undefined
    slot.processed++
    if (fails) slot.errors++
    this.#free.push(slot)
    if (this.outcomes[call.n] === 'open') this.outcomes[call.n] = fails ? call.work : String(call.n)
    this.tell()
  }

  pass(ms: number): void {
    const until = this.now + ms
    for (;;) {
      const dues = this.calls.filter(({ stuck }) => !stuck).map(({ since }) => since + RUN_MS)
      this.now = Math.min(until, ...dues)
      const due = this.calls.filter(({ stuck, since }) => !stuck && since + RUN_MS <= this.now)
      for (const call of due) {
        this.outcomes[call.n] = 'TRIAGE_RUN_TIMEOUT'
        call.stuck = true
        this.tell()
      }
      for (const call of due) if (call.work === 'hears') this.settle(call)
      if (due.length === 0) return
    }
  }

  /** Nobody is promised a slot: all who wait for one are told. */
  tell(): void {
    const isIdle = this.calls.every(({ stuck }) => stuck)
    for (const asked of this.asked) {
      if (asked.expected === 'open' && (asked.wanted === 'slot' ? this.free > 0 : isIdle)) asked.expected = 'undefined'
    }
  }

  #newSlot(): Slot {
    const slot = { call: undefined, processed: 0, errors: 0 }
    this.slots.push(slot)
    return slot
  }
}

class Real {
  readonly clock = new VirtualClock()
  readonly pool: WorkerPool<{ n: number; work: Work }, number>
  readonly outcomes: Outcome[] = []
  readonly asked: Outcome[] = []
  readonly letGo = new Map<number, () => void>()

  constructor(setting: Setting) {
    const { clock } = this
    this.pool = new WorkerPool(({ n, work }, { signal }) => this.#execute(n, work, signal), {
      ...setting,
      runTimeoutMs: RUN_MS,
      clock,
    })
  }

  #execute(n: number, work: Work, signal: AbortSignal): number | Promise<number> {
    if (work === 'throws') throw new Error(work)
    if (work === 'answers') return n
    return new Promise((resolve, reject) => {
      if (work === 'hears') signal.addEventListener('abort', () => reject(new Error(work)), { once: true })
      else this.letGo.set(n, () => resolve(n))
    })
  }
}

const hanging = ({ calls }: Readonly<Model>): Call[] => calls.filter(({ work }) => work === 'hangs')

const commands = [
  fc
    .array(fc.constantFrom<Work>('answers', 'throws', 'hangs', 'hangs', 'hears'), { minLength: 1, maxLength: 4 })
    .map((works) =>
      command<Model, Real>(`run(${works.join()})`, async (model, { pool, outcomes, clock }) => {
        const { free } = model
        const active = model.calls.length
        for (const [index, work] of works.entries()) {
          const n = outcomes.length
          outcomes.push(new Outcome(pool.run({ n, work })))
          // Before any of them has started.
          expect(pool.free).toBe(Math.max(free - index - 1, 0))
          expect(pool.active).toBe(active + Math.min(index + 1, free))
        }
        await clock.settle()
        model.run(works)
      }),
    ),
  fc.array(fc.nat(), { minLength: 1, maxLength: 3 }).map((which) =>
    command<Model, Real>(
      `let go(${which.join()})`,
      (model, { letGo }) => {
        for (const each of which) {
          const calls = hanging(model)
          const call = calls[each % calls.length]
          if (call === undefined) return
          letGo.get(call.n)?.()
          model.settle(call)
        }
      },
      (model) => hanging(model).length > 0,
    ),
  ),
  fc.integer({ min: 1, max: 15 }).map((ms) =>
    command<Model, Real>(`advance(${ms})`, async (model, { clock }) => {
      await clock.advance(ms)
      model.pass(ms)
    }),
  ),
  fc.integer({ min: 1, max: 4 }).map((limit) =>
    command<Model, Real>(`concurrency = ${limit}`, (model, { pool }) => {
      pool.concurrency = limit
      model.limit = limit
      model.tell()
    }),
  ),
  fc.constantFrom('slot' as const, 'idle' as const).map((wanted) =>
    command<Model, Real>(`until ${wanted}`, (model, { pool, asked }) => {
      asked.push(new Outcome(wanted === 'slot' ? pool.available() : pool.idle()))
      model.asked.push({ wanted, expected: 'open' })
      model.tell()
    }),
  ),
]

agrees('a pool is an array of slots, each truthful', {
  setting: fc.record({
    concurrency: fc.integer({ min: 1, max: 3 }),
    onStuck: fc.constantFrom('hold' as const, 'replace' as const),
    maxReplaced: fc.nat(2),
  }),
  make: (setting) => ({ model: new Model(setting), real: new Real(setting) }),
  commands,
  agree: async (model, { clock, pool, outcomes, asked }) => {
    await clock.settle()
    expect(outcomes.map(({ word }) => word)).toEqual(model.outcomes)
    expect(asked.map(({ word }) => word)).toEqual(model.asked.map(({ expected }) => expected))
    expect([pool.active, pool.free]).toEqual([model.calls.length, model.free])
    if (model.calls.length === 0) expect(clock.timers).toBe(0)
    const unused: Slot = { call: undefined, processed: 0, errors: 0 }
    const slots = Array.from({ length: Math.max(model.limit, model.slots.length) }, (_, i) => model.slots[i] ?? unused)
    const shown = [...slots.entries()].filter(([index, { call }]) => index < model.limit || call !== undefined)
    expect(pool.getHealth()).toEqual(
      shown.map(([slot, { call, processed, errors }]) => ({
        slot,
        healthy: call?.stuck !== true,
        totalProcessed: processed,
        totalErrors: errors,
        currentRequest: call === undefined ? null : expect.any(String),
        since: call?.since ?? null,
        progress: null,
      })),
    )
  },
  end: async (_, { clock, letGo, pool }) => {
    for (const answer of letGo.values()) answer()
    await clock.advance(2 * RUN_MS)
    expect(pool.active).toBe(0)
    expect(clock.timers).toBe(0)
  },
  runs: 250,
})
