/**
 * A queue on its own, against an array that is sorted at each look, and a line of takers.
 */
import fc from 'fast-check'
import { type OrderPolicy, type Priority, priorities, type QueueTicket, RequestQueue, strict } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect } from 'vitest'
import { agrees, command, Outcome } from './support/commands.ts'

interface Entry {
  readonly n: number
  readonly at: number
  tier: number
}

interface Taker {
  readonly outcome: Outcome
  /** What it must get. */
  expected: string
  readonly controller: AbortController
  readonly isIterator: boolean
}

/** By age: a request stands where one of the next tier would that came so much later. */
const OFFSETS = [0, 5, 10, 15]
const byAge: OrderPolicy = {
  name: 'by age',
  acrossTiers: true,
  rank: ({ tier, admittedAt }) => admittedAt + (OFFSETS[tier] as number),
}

const orders = {
  strict: { make: strict, rank: ({ tier }: Entry) => tier },
  byAge: { make: () => byAge, rank: ({ tier, at }: Entry) => at + (OFFSETS[tier] as number) },
}

class Model {
  readonly order: keyof typeof orders
  readonly maxQueueSize: number
  waiting: Entry[] = []
  readonly takers: Taker[] = []
  readonly tickets: QueueTicket<number>[] = []
  isClosed = false
  dequeued = 0
  removed = 0
  taken = 0
  waitedMs = 0

  constructor(order: keyof typeof orders, maxQueueSize: number) {
    this.order = order
    this.maxQueueSize = maxQueueSize || Number.POSITIVE_INFINITY
  }

  get line(): Entry[] {
    const { rank } = orders[this.order]
    return this.waiting.toSorted((a, b) => rank(a) - rank(b) || a.n - b.n)
  }

  get open(): Taker[] {
    return this.takers.filter(({ expected }) => expected === 'open')
  }

  shift(now: number): Entry | undefined {
    const [first] = this.line
    if (first === undefined) return undefined
    this.dequeued++
    this.waitedMs += now - first.at
    this.#drop(first)
    return first
  }

  remove(n: number): boolean {
    const entry = this.waiting.find((other) => other.n === n)
    if (entry === undefined) return false
    this.removed++
    this.#drop(entry)
    return true
  }

  #drop(entry: Entry): void {
    this.waiting = this.waiting.filter((other) => other !== entry)
  }
}

class Real {
  readonly clock = new VirtualClock()
  readonly queue: RequestQueue<number>
  iterator: AsyncGenerator<number, void, undefined>

  constructor(order: OrderPolicy, maxQueueSize: number) {
    this.queue = new RequestQueue<number>({ order, maxQueueSize, clock: this.clock })
    this.iterator = this.queue[Symbol.asyncIterator]()
  }
}

const CLOSED = 'TRIAGE_QUEUE_CLOSED'

function takes(
  model: Model,
  { clock }: Real,
  promise: Promise<unknown>,
  controller: AbortController | 'iterator',
): void {
  const isIterator = controller === 'iterator'
  const next = model.shift(clock.now())
  const end = isIterator ? 'undefined' : CLOSED
  const expected = next !== undefined ? String(next.n) : model.isClosed ? end : 'open'
  const outcome = new Outcome(promise)
  model.takers.push({ outcome, expected, controller: isIterator ? new AbortController() : controller, isIterator })
}

/** The ticket that a number means; many numbers mean one that has left. */
const pick = ({ tickets }: Readonly<Model>, which: number): number => which % tickets.length
const hasTickets = ({ tickets }: Readonly<Model>): boolean => tickets.length > 0

const priority = fc.constantFrom(...priorities)
const which = fc.nat()

function enqueue(model: Model, { queue, clock }: Real, priority: Priority): void {
  const n = model.tickets.length
  const put = (): QueueTicket<number> => queue.enqueue(n, { priority })
  if (model.isClosed || model.waiting.length >= model.maxQueueSize) {
    expect(put).toThrow(expect.objectContaining({ code: model.isClosed ? CLOSED : 'TRIAGE_QUEUE_FULL', priority }))
    return
  }
  model.tickets.push(put())
  const [taker] = model.open
  if (taker === undefined) model.waiting.push({ n, at: clock.now(), tier: priorities.indexOf(priority) })
  else {
    taker.expected = String(n)
    model.taken++
  }
}

// Mostly by what makes equal ranks.
const advance = fc
  .constantFrom(1, 5, 5, 10)
  .map((ms) => command<Model, Real>(`advance(${ms})`, (_, { clock }) => clock.advance(ms)))

const close = command<Model, Real>('close()', (model, { queue }) => {
  queue.close()
  model.isClosed = true
  for (const taker of model.open) taker.expected = taker.isIterator ? 'undefined' : CLOSED
})

const commands = [
  priority.map((priority) => command<Model, Real>(`enqueue(${priority})`, (m, r) => enqueue(m, r, priority))),
  fc.array(priority, { minLength: 2, maxLength: 8 }).map((all) =>
    command<Model, Real>(`enqueue(${all.join()})`, (m, r) => {
      for (const priority of all) enqueue(m, r, priority)
    }),
  ),
  fc.constant(
    command<Model, Real>('dequeue()', (model, { queue, clock }) => {
      expect(queue.dequeue()).toBe(model.shift(clock.now())?.n)
    }),
  ),
  fc.constant(
    command<Model, Real>('take()', (model, real) => {
      const controller = new AbortController()
      takes(model, real, real.queue.take({ signal: controller.signal }), controller)
    }),
  ),
  fc.constant(
    command<Model, Real>(
      'for await: the next',
      async (model, real) => {
        const next = real.iterator.next()
        takes(
          model,
          real,
          next.then(({ value }) => value),
          'iterator',
        )
        // A generator answers one question at a time.
        await real.clock.settle()
      },
      (model) => !model.open.some(({ isIterator }) => isIterator),
    ),
  ),
  which.map((which) =>
    command<Model, Real>(
      `abort a taker(${which})`,
      (model) => {
        const aborted = model.open.filter(({ isIterator }) => !isIterator)
        const taker = aborted[which % aborted.length]
        if (taker === undefined) return
        taker.expected = 'aborted'
        taker.controller.abort(new Error('aborted'))
      },
      (model) => model.open.length > 0,
    ),
  ),
  which.map((which) =>
    command<Model, Real>(
      `remove(${which})`,
      (model, { queue }) => {
        const n = pick(model, which)
        expect(queue.remove(model.tickets[n] as QueueTicket<number>)).toBe(model.remove(n))
      },
      hasTickets,
    ),
  ),
  fc.tuple(which, priority).map(([which, priority]) =>
    command<Model, Real>(
      `setPriority(${which}, ${priority})`,
      (model, { queue }) => {
        const n = pick(model, which)
        const entry = model.waiting.find((other) => other.n === n)
        expect(queue.setPriority(model.tickets[n] as QueueTicket<number>, priority)).toBe(entry !== undefined)
        if (entry !== undefined) entry.tier = priorities.indexOf(priority)
      },
      hasTickets,
    ),
  ),
  fc.constant(
    command<Model, Real>('clear()', (model, { queue }) => {
      const { line } = model
      expect(queue.clear()).toEqual(line.map(({ n }) => n))
      for (const { n } of line) model.remove(n)
    }),
  ),
  // Rarely closed, for little happens after it.
  fc.oneof({ weight: 5, arbitrary: advance }, { weight: 1, arbitrary: fc.constant(close) }),
]

agrees('a queue is an array that is always sorted, and its takers are served in turn', {
  setting: fc.record({
    order: fc.constantFrom('strict' as const, 'byAge' as const),
    maxQueueSize: fc.oneof(fc.integer({ min: 1, max: 6 }), fc.constant(0)),
  }),
  make: ({ order, maxQueueSize }) => ({
    model: new Model(order, maxQueueSize),
    real: new Real(orders[order].make(), maxQueueSize),
  }),
  commands,
  agree: (model, { queue, clock }) => {
    const { line, tickets } = model
    expect(queue.peek()).toBe(line[0]?.n)
    const places = tickets.map((_, n) => line.findIndex((entry) => entry.n === n))
    expect(tickets.map((ticket) => queue.position(ticket) ?? -1)).toEqual(places)
    for (const [tier, priority] of priorities.entries()) {
      expect(queue.sizeOf(priority)).toBe(line.filter((entry) => entry.tier === tier).length)
    }
    const heads = priorities.map((_, tier) => line.find((entry) => entry.tier === tier))
    expect(queue.getStatus()).toMatchObject({
      size: line.length,
      enqueued: tickets.length,
      dequeued: model.dequeued + model.taken,
      removed: model.removed,
      averageWaitMs: model.waitedMs / Math.max(model.dequeued + model.taken, 1),
      oldestWaitMs: Math.max(...heads.map((head) => clock.now() - (head?.at ?? clock.now()))),
    })
  },
  end: async (model, { clock, queue }) => {
    queue.close()
    for (const taker of model.open) taker.expected = taker.isIterator ? 'undefined' : CLOSED
    await clock.settle()
    expect(model.takers.map(({ outcome }) => outcome.word)).toEqual(model.takers.map(({ expected }) => expected))
  },
  runs: 250,
})
