/**
 * Faults, as SQLite injects them: at the nth call of one of the user's functions it throws, answers nonsense, or calls the
 * executor; otherwise it does what it always does.
 */
import type { Clock } from 'triage-queue'
import { eventNames } from '../../support/event-names.ts'
import { callOuts } from './call-outs.ts'
import type { Action, Arrive, Fault } from './schedule.ts'
import type { World } from './world.ts'

const newcomer = (more: Partial<Arrive>): Arrive => ({
  ...({ do: 'arrive', via: 'submit', tier: 0, key: 0, work: { kind: 'returns', ms: 1, times: 1 } } as const),
  ...more,
})

const hostile = new Proxy(
  {},
  {
    get() {
      throw new Error('a fault: a proxy')
    },
    has() {
      throw new Error('a fault: a proxy')
    },
    getPrototypeOf() {
      throw new Error('a fault: a proxy')
    },
  },
)

/** What it answers, in place of the right answer. */
const answers: { readonly [does: string]: () => unknown } = {
  throws: () => {
    throw new Error('a fault')
  },
  'throws a proxy': () => {
    throw hostile
  },
  undefined: () => undefined,
  null: () => null,
  NaN: () => Number.NaN,
  negative: () => -1,
  Infinity: () => Number.POSITIVE_INFINITY,
  'a string': () => '5',
  true: () => true,
  'an object': () => ({}),
  'a proxy': () => hostile,
  rejects: () => Promise.reject(new Error('a fault')),
}

/** What it does before it answers as it always does. */
const calls: { readonly [does: string]: readonly (Action | 'looks' | 'cancels all' | 'moves all')[] } = {
  looks: ['looks'],
  submits: [newcomer({})],
  'submits three': [newcomer({ tier: 3 }), newcomer({ tier: 2, via: 'execute' }), newcomer({ tier: 1 })],
  joins: [newcomer({ id: 0 }), newcomer({ id: 1, tier: 3 })],
  offers: [newcomer({ via: 'offer', tier: 1 })],
  cancels: [{ do: 'cancel', which: 0, by: 'handle' }],
  'cancels by id': [
    { do: 'cancel', which: 0, by: 'id' },
    { do: 'cancel', which: 1, by: 'id' },
  ],
  'cancels all': ['cancels all'],
  'moves all': ['moves all'],
  aborts: [0, 1, 2].map((signal) => ({ do: 'abort', signal })),
  pauses: [{ do: 'pause' }],
  'pauses and resumes': [{ do: 'pause' }, { do: 'resume' }],
  'resizes to 1': [{ do: 'resize', concurrency: 1 }],
  'resizes to 5': [{ do: 'resize', concurrency: 5 }],
  closes: [{ do: 'close', drain: true, graceMs: 1e9 }],
  'closes at once': [{ do: 'close', drain: false, graceMs: 0 }],
}

const allAnswers: readonly string[] = Object.keys(answers)
const allCalls: readonly string[] = Object.keys(calls)

/** What a call-out may be made to do. */
export function doesOf(at: string): readonly string[] {
  const kind = callOuts[at]
  const answered = kind === 'blind' ? ['throws'] : allAnswers.filter((does) => kind === 'policy' || does !== 'rejects')
  return kind === 'trusted' ? answered : [...answered, ...allCalls]
}

type Any = (...args: never[]) => unknown

export class Faults {
  readonly #world: World
  readonly #faults: readonly Fault[]
  /** How often each was called. */
  readonly called = new Map<string, number>()
  /** How many requests had come by the last fault. */
  lastAt = 0
  #isBusy = false
  readonly #signals = new WeakMap<AbortSignal, AbortSignal>()

  constructor(world: World, faults: readonly Fault[]) {
    this.#world = world
    this.#faults = faults
  }

  /** How many of its calls a call-out has not heard, since it had something else to do. */
  calledAt(name: string): number {
    return this.#faults.filter(({ at, call, does }) => {
      return at === name && answers[does] !== undefined && call <= (this.called.get(name) ?? 0)
    }).length
  }

  /** Is a call-out to have a fault? */
  has(name: string): boolean {
    return this.#faults.some(({ at }) => at === name)
  }

  /** Has a signal kept its listener? */
  get hasBadSignal(): boolean {
    return this.has('signal.removeEventListener')
  }

  /** May the order throw, of itself or since a function that it asks answers nonsense? */
  get hasBadOrder(): boolean {
    return ['OrderPolicy.rank', 'fairBy.key', 'FairByOptions.weight', 'FairByOptions.cost'].some((name) =>
      this.has(name),
    )
  }

  /** May time have been told wrong? */
  get hasBadTime(): boolean {
    return this.has('Clock.now')
  }

  /** The same function, with its faults. */
  wrap<F extends Any>(name: string, original: F): F {
    const faulty = this
    return function (this: unknown, ...args: never[]) {
      return faulty.#call(name, () => original.apply(this, args))
    } as unknown as F
  }

  /** The same policy, with the faults of its methods. */
  policy<P extends object>(type: string, policy: P): P {
    const wrapped: { [name: string]: unknown } = {}
    for (let each: object = policy; each !== Object.prototype; each = Object.getPrototypeOf(each)) {
      for (const name of Object.getOwnPropertyNames(each)) {
        const value = (policy as { [name: string]: unknown })[name]
        const isOwn = typeof value === 'function' && name !== 'constructor'
        wrapped[name] ??= isOwn ? this.wrap(`${type}.${name}`, value.bind(policy) as Any) : value
      }
    }
    return wrapped as P
  }

  /** The same options, each behind a getter. */
  getters<O extends object>(type: string, options: O): O {
    const made = {}
    for (const [name, value] of Object.entries(options)) {
      const get = this.wrap(`${type}.${name}`, () => value)
      Object.defineProperty(made, name, { enumerable: true, get })
    }
    return made as O
  }

  clock(clock: Clock): Clock {
    return {
      now: this.wrap('Clock.now', () => clock.now()),
      setTimeout: (callback, delayMs) => clock.setTimeout(callback, delayMs),
      clearTimeout: (handle) => clock.clearTimeout(handle),
      defer: (callback) => clock.defer?.(callback),
    }
  }

  /** A signal of anybody's making: one for each real one, as its users share it. */
  signal(real: AbortSignal): AbortSignal {
    const known = this.#signals.get(real)
    if (known !== undefined) return known
    const made = {
      addEventListener: this.wrap('signal.addEventListener', real.addEventListener.bind(real) as Any),
      removeEventListener: this.wrap('signal.removeEventListener', real.removeEventListener.bind(real) as Any),
    }
    for (const name of ['aborted', 'reason'] as const) {
      Object.defineProperty(made, name, { get: this.wrap(`signal.${name}`, () => real[name]) })
    }
    this.#signals.set(real, made as unknown as AbortSignal)
    return made as unknown as AbortSignal
  }

  /** What is awaited before it starts: a handle whose result is read through a getter. */
  after(handle: { readonly result: PromiseLike<unknown> }): { readonly result: PromiseLike<unknown> } {
    return Object.defineProperty({}, 'result', {
      get: this.wrap('after.result', () => handle.result),
    }) as typeof handle
  }

  /** The executor; and what it answers with, whose `then` is read. */
  executor<F extends Any>(executor: F): F {
    const wrapped = this.wrap('executor', executor)
    return ((...args: never[]) => {
      const call = this.#count('response.then')
      if (this.#faultAt('response.then', call) === undefined) return wrapped(...args)
      return Object.defineProperty({}, 'then', { get: () => this.#call('response.then', () => undefined, call) })
    }) as F
  }

  listen(): void {
    for (const event of eventNames) {
      if (this.#faults.length === 0 || this.#faults.some(({ at }) => at === `on ${event}`)) {
        this.#world.executor.on(
          event,
          this.wrap(`on ${event}`, () => {}),
        )
      }
    }
  }

  #count(name: string): number {
    const call = (this.called.get(name) ?? 0) + 1
    this.called.set(name, call)
    return call
  }

  #faultAt(name: string, call: number): Fault | undefined {
    // A policy may ask for a random number while the executor is made.
    const isMade = (this.#world as Partial<World>).executor !== undefined
    return this.#isBusy || !isMade ? undefined : this.#faults.find((fault) => fault.at === name && fault.call === call)
  }

  #call(name: string, original: () => unknown, call = this.#count(name)): unknown {
    const fault = this.#faultAt(name, call)
    if (fault === undefined) return original()
    this.lastAt = this.#world.seen.length
    this.#world.counts.add('a fault')
    this.#world.note(() => `FAULT: '${name}' ${fault.does}, at its call ${call}`)
    const answer = answers[fault.does]
    if (answer !== undefined) return answer()
    this.#isBusy = true
    // That of the executor is heard of by the laws before anything else happens.
    const answered = name === 'executor' ? original() : undefined
    try {
      this.#world.laws.books()
      for (const action of calls[fault.does] ?? []) this.#act(action)
      this.#world.laws.books()
    } finally {
      this.#isBusy = false
      this.lastAt = this.#world.seen.length
    }
    return name === 'executor' ? answered : original()
  }

  #act(action: Action | 'looks' | 'cancels all' | 'moves all'): void {
    const { executor, seen } = this.#world
    if (typeof action !== 'string') this.#world.act(action)
    else if (action === 'looks') executor.getWorkerHealth()
    else {
      for (const { handle } of seen) {
        if (action === 'cancels all') handle?.cancel('all of them')
        else handle?.setPriority('high')
        handle?.position()
      }
    }
  }
}
