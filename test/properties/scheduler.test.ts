/**
 * The whole executor, where fast-check's scheduler decides what happens next: which call settles, which signal is aborted,
 * which request the schema answers for, who submits. Every interleaving keeps the laws.
 */
import fc from 'fast-check'
import {
  type Priority,
  priorities,
  QueuedExecutor,
  type QueuedExecutorOptions,
  type RequestEvent,
  type StandardSchema,
} from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'
import { Outcome, PATIENCE_MS } from './support/commands.ts'

interface Arrival {
  readonly via: 'execute' | 'submit'
  readonly priority: Priority
  readonly fails: boolean
  /** What the schema says, and whether at once. */
  readonly schema: 'fits' | 'fits, later' | 'unfit' | 'unfit, later' | 'breaks, later'
  readonly isAborted: boolean
  readonly runsAtOnce: boolean
  /** In one burst with the next. */
  readonly isWithNext: boolean
}

const arrivals = fc.array(
  fc.record<Arrival>({
    via: fc.constantFrom('execute', 'submit'),
    priority: fc.constantFrom(...priorities),
    fails: fc.boolean(),
    schema: fc.constantFrom('fits', 'fits', 'fits, later', 'fits, later', 'unfit', 'unfit, later', 'breaks, later'),
    isAborted: fc.boolean(),
    runsAtOnce: fc.boolean(),
    isWithNext: fc.boolean(),
  }),
  { minLength: 1, maxLength: 14, size: 'max' },
)

const settings = fc.record({
  concurrency: fc.integer({ min: 1, max: 3 }),
  maxQueueSize: fc.integer({ min: 1, max: 4 }),
  whenFull: fc.constantFrom('reject' as const, 'block' as const, 'shed' as const),
})

interface Payload {
  readonly n: number
}

const ends = ['completed', 'failed', 'expired', 'cancelled', 'shed'] as const

/** One executor, everything of which is scheduled, and the books of what was seen. */
class World {
  readonly executor: QueuedExecutor<Payload, number>
  readonly clock = new VirtualClock()
  readonly outcomes: Outcome[] = []
  readonly results: Outcome[] = []
  readonly histories: string[][] = []
  /** Who waits, first one first; starts of others; the most calls at a time. */
  line: number[] = []
  readonly outOfOrder: string[] = []
  /** Whose abort did nothing. */
  readonly unheard: number[] = []
  calls = 0
  mostCalls = 0
  /** Let in for the place of one that has its slot, and is about to be announced: it was not there to be passed. */
  readonly #letIn = new Set<number>()
  readonly #arrivals: readonly Arrival[]
  readonly #scheduler: fc.Scheduler

  constructor(scheduler: fc.Scheduler, arrivals: readonly Arrival[], options: QueuedExecutorOptions<Payload>) {
    this.#scheduler = scheduler
    this.#arrivals = arrivals
    const schema: StandardSchema<Payload> = {
      '~standard': { version: 1, vendor: 'test', validate: (value) => this.#validate(value as Payload) },
    }
    this.executor = new QueuedExecutor<Payload, number>((request) => this.#execute(request), {
      ...options,
      schema,
      clock: this.clock,
    })
    for (const event of [...ends, 'queued', 'blocked', 'rejected', 'started'] as const) {
      this.executor.on(event, (seen: Pick<RequestEvent, 'request'>) => this.#saw(event, (seen.request as Payload).n))
    }
  }

  arrive(n: number): void {
    const { via, priority, isAborted } = this.#arrivals[n] as Arrival
    const controller = new AbortController()
    const options = { priority, signal: controller.signal }
    if (via === 'execute') this.outcomes[n] = new Outcome(this.executor.execute({ n }, options))
    else {
      const admission = this.executor.submit({ n }, options)
      this.outcomes[n] = new Outcome(admission, () => 'admitted')
      admission.then(
        ({ result }) => {
          this.results[n] = new Outcome(result)
        },
        () => {},
      )
    }
    if (!isAborted) return
    this.#scheduler.schedule(Promise.resolve(), `abort ${n}`).then(() => this.#abort(n, controller))
  }

  /** Who has come, and was not let in. */
  get notAdmitted(): number[] {
    return [...this.outcomes.keys()].filter((n) => this.outcomes[n] && !this.histories[n]?.includes('queued'))
  }

  /** Wherever it is, it ends at once. */
  #abort(n: number, controller: AbortController): void {
    controller.abort(new Error('aborted'))
    if (!this.isOver(n)) this.unheard.push(n)
  }

  isOver(n: number): boolean {
    return ['rejected', ...ends].includes(this.histories[n]?.at(-1) ?? '')
  }

  #validate({ n }: Payload): ReturnType<StandardSchema<Payload>['~standard']['validate']> {
    const { schema } = this.#arrivals[n] as Arrival
    const answer = schema.startsWith('fits') ? { value: { n } } : { issues: [{ message: 'unfit' }] }
    if (!schema.endsWith('later')) return answer
    return this.#scheduler.schedule(Promise.resolve(), `the schema of ${n}`).then(() => {
      if (schema.startsWith('breaks')) throw new Error('broken')
      return answer
    })
  }

  #execute({ n }: Payload): number | Promise<number> {
    const { fails, runsAtOnce } = this.#arrivals[n] as Arrival
    this.calls++
    this.mostCalls = Math.max(this.mostCalls, this.calls)
    const settle = (): number => {
      this.calls--
      if (fails) throw new Error('failed')
      return n
    }
    return runsAtOnce ? settle() : this.#scheduler.schedule(Promise.resolve(), `the call of ${n}`).then(settle)
  }

  #saw(event: string, n: number): void {
    this.histories[n] ??= []
    this.histories[n]?.push(event)
    if (event === 'queued') this.#queues(n)
    if (event === 'started') this.#starts(n)
    if (event === 'started' || ends.includes(event as (typeof ends)[number])) {
      this.line = this.line.filter((other) => other !== n)
    }
  }

  #starts(n: number): void {
    const first = this.line.find((other) => !this.#letIn.has(other))
    if (this.line[0] !== n && first !== n) this.outOfOrder.push(`${n} before ${first}`)
    this.#letIn.clear()
  }

  #queues(n: number): void {
    if (this.histories[n]?.includes('blocked')) {
      this.#letIn.add(n)
      Promise.resolve().then(() => this.#letIn.delete(n))
    }

    const tierOf = (other: number): number => priorities.indexOf((this.#arrivals[other] as Arrival).priority)
    const at = this.line.findIndex((other) => tierOf(other) > tierOf(n))
    this.line.splice(at < 0 ? this.line.length : at, 0, n)
  }
}

/** What may happen to a request: refused, or admitted, and then one end. */
const path = /^(blocked )?(rejected|queued (started )?(completed|failed|cancelled|shed|expired))$/

test(
  'whatever settles, aborts, answers and closes in whichever order: each promise settles once, and the laws hold',
  () =>
    fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        arrivals,
        settings,
        fc.option(fc.nat(30), { nil: undefined }),
        async (scheduler, arrivals, options, closesAt) => {
          const world = new World(scheduler, arrivals, options)
          const { executor, clock } = world
          for (const [n, { isWithNext }] of arrivals.entries()) {
            if (isWithNext && n + 1 < arrivals.length) continue
            const first = arrivals.findLastIndex((other, m) => m < n && !other.isWithNext) + 1
            const come = (): void => {
              for (let m = first; m <= n; m++) world.arrive(m)
            }
            scheduler.schedule(Promise.resolve(), `requests ${first} to ${n}`).then(come)
          }
          let closing: Outcome | undefined
          const close = (): void => {
            closing ??= new Outcome(executor.close())
          }
          const isMore = async (): Promise<boolean> => {
            if (scheduler.count() === 0) await clock.settle()
            return scheduler.count() > 0
          }
          for (let turns = 0; await isMore(); turns++) {
            if (turns === closesAt) {
              const { notAdmitted } = world
              close()
              await clock.settle()
              for (const n of notAdmitted) expect(world.isOver(n), `request ${n} is refused at once`).toBe(true)
            }
            await scheduler.waitOne()
            expect(executor.getStatus().waiting).toBeLessThanOrEqual(options.maxQueueSize)
          }
          await clock.settle()
          // Everything was answered, so that nothing is left to wait for.
          const { totals, ...status } = executor.getStatus()
          expect([status.waiting, status.running, status.blocked, status.activeWorkers]).toEqual([0, 0, 0, 0])
          expect(clock.timers).toBe(0)
          close()
          await clock.settle()
          expect(closing?.word).toBe('undefined')
          expect(clock.timers).toBe(0)

          expect(world.outOfOrder).toEqual([])
          expect(world.unheard).toEqual([])
          expect(world.mostCalls).toBeLessThanOrEqual(options.concurrency)
          expect(totals.admitted).toBe(ends.reduce((sum, end) => sum + totals[end], 0))
          expect(totals.admitted + totals.rejected).toBe(arrivals.length)
          for (const [n, arrival] of arrivals.entries()) {
            const history = world.histories[n]?.join(' ') ?? 'nothing'
            expect(history).toMatch(path)
            const last =
              arrival.via === 'submit' && !history.includes('rejected') ? world.results[n] : world.outcomes[n]
            expect(last?.word, `request ${n}: ${history}`).toMatch(expectedAfter(history, n))
          }
        },
      ),
      { numRuns: 400 },
    ),
  PATIENCE_MS,
)

/** What the caller is told, by how it went. */
function expectedAfter(history: string, n: number): RegExp {
  if (history.endsWith('completed')) return new RegExp(`^${n}$`)
  if (history.endsWith('failed')) return /^failed$/
  if (history.endsWith('shed')) return /^TRIAGE_SHED$/
  if (history.endsWith('cancelled')) return /^aborted$/
  return /^(aborted|broken|TRIAGE_(QUEUE_FULL|QUEUE_CLOSED|INVALID_REQUEST))$/
}
