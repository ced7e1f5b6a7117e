/**
 * One schedule happens to a real executor on a virtual clock, and to the model beside it. After every step, and at every
 * instant of the time between two, the one is held against the other, and the laws against both.
 */
import { QueuedExecutor, type RunContext } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { perform } from './actions.ts'
import { compare } from './compare.ts'
import type { Coverage } from './coverage.ts'
import { Dice } from './dice.ts'
import { Faults } from './faults.ts'
import { Laws } from './laws.ts'
import { Model } from './model.ts'
import { comesThrough } from './progress.ts'
import { canRefer, Reference } from './reference.ts'
import { type Action, type Options, type Schedule, SIGNALS } from './schedule.ts'
import { context, endOf, type Handed, type Seen } from './seen.ts'
import { isExact, optionsOf, type Payload, rulesOf } from './setup.ts'
import { execute } from './work.ts'

/** No schedule comes near it: thousands that wait for one slot take some steps each. */
const MAX_STEPS = 10_000
const MAX_STEPS_EACH = 20

export class World {
  readonly schedule: Schedule
  /** As they are now. */
  options: Options
  readonly clock = new VirtualClock()
  readonly executor: QueuedExecutor<Payload, unknown>
  readonly laws: Laws
  /** Of a long schedule only: in place of the model. */
  readonly reference: Reference | undefined
  /** The user's functions, when they are to have faults. */
  readonly faults: Faults | undefined
  /** Undefined where a policy's choice is a matter of numbers, or when two things met that no rule puts in order. */
  model: Model | undefined
  readonly seen: Seen[] = []
  readonly promises: Handed[] = []
  /** Which request it is, of those without metadata. */
  readonly known = new WeakMap<object, number>()
  /** Whether anyone listens now. */
  readonly #dice: Dice | undefined
  readonly controllers = Array.from({ length: SIGNALS }, () => new AbortController())
  /** Every signal there was. */
  readonly signals: AbortSignal[] = this.controllers.map(({ signal }) => signal)
  /** When the executor's own timers of our calls are due. */
  readonly answersAt: number[] = []
  /** Slots of calls that have not settled. */
  unsettled = 0
  /** Nothing is to start now. */
  isPaused = false
  /** From when on it is to end for good; before that it serves, and says so. */
  #closesAt = Number.POSITIVE_INFINITY
  onStack = 0
  /** At how many instants it was looked at, and how often the model had something to say. */
  steps = 0
  stepsCompared = 0
  /** What went wrong first. */
  violation = ''
  /** It was closed before its schedule was over. */
  wasClosed = false
  readonly counts: Coverage
  readonly trace: string[] | undefined

  constructor(schedule: Schedule, counts: Coverage, trace?: string[]) {
    this.schedule = schedule
    this.options = schedule.options
    this.counts = counts
    this.trace = trace
    this.model = isExact(schedule) ? new Model(rulesOf(schedule), schedule.options.concurrency) : undefined
    this.#dice = schedule.plain === undefined ? undefined : new Dice(schedule.plain)
    this.laws = new Laws(this)
    this.faults = schedule.faults && new Faults(this, schedule.faults)
    const executor = (request: Payload, run: RunContext) => execute(this, request, run)
    const random = () => 0.5
    const onListenerError = (error: unknown) => void this.laws.reported.push(error)
    this.executor = new QueuedExecutor<Payload, unknown>(this.faults?.executor(executor) ?? executor, {
      ...optionsOf(schedule, this.faults),
      clock: this.faults?.clock(this.clock) ?? this.clock,
      random: this.faults?.wrap('QueuedExecutorOptions.random', random) ?? random,
      onListenerError: this.faults?.wrap('QueuedExecutorOptions.onListenerError', onListenerError) ?? onListenerError,
    })
    this.laws.listen(context)
    this.reference = canRefer(schedule) ? new Reference(this) : undefined
    this.faults?.listen()
  }

  fail(what: string): void {
    if (this.violation !== '') return
    this.violation = `${what} (at ${this.clock.now()} ms)`
    this.trace?.push(`VIOLATION ${this.violation}`)
  }

  note(what: () => string): void {
    this.trace?.push(`${this.clock.now()}: ${what()}`)
  }

  // ── Steps ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Plays the whole schedule; what has gone wrong, or ''. */
  async play(): Promise<string> {
    for (const command of this.schedule.commands) {
      this.act(command)
      if (this.reference !== undefined) this.reference.isAsked = true
      if (command.passMs >= 0) await this.pass(command.passMs)
      if (this.violation !== '') return this.violation
    }
    await this.#end()
    return this.violation
  }

  /** Goes on to a later time, from instant to instant at which something happens, and looks at each. */
  async pass(ms: number): Promise<void> {
    const until = this.clock.now() + ms
    // First the burst, then what is due at once, such as the end of no patience at all.
    await this.clock.settle()
    this.#time(this.clock.now())
    await this.clock.advance(0)
    compare(this)
    for (;;) {
      const at = Math.min(this.clock.nextAt, this.model?.nextAt() ?? Number.POSITIVE_INFINITY)
      if (at > until || at === Number.POSITIVE_INFINITY || this.violation !== '') break
      if (this.steps > MAX_STEPS + MAX_STEPS_EACH * this.seen.length) return this.fail('it does not come to an end')
      if (this.model?.nextAt() === at && this.answersAt.includes(at)) this.unsure('an answer and a timeout meet')
      this.#time(at)
      await this.clock.advanceTo(at)
      compare(this)
    }
    if (until < Number.POSITIVE_INFINITY) await this.clock.advanceTo(until)
    if (this.model !== undefined) this.model.now = this.clock.now()
  }

  /** Time has come to what the model waits for. */
  #time(at: number): void {
    const { model } = this
    if (model === undefined) return
    model.pass(at)
    if (model.unsure !== '') this.unsure(model.unsure)
  }

  unsure(why: string): void {
    this.model = undefined
    this.counts.add(`unsure: ${why}`)
    this.note(() => `from here on by the laws alone, since ${why}`)
  }

  /** Lets all come through that can, closes the executor, lets go of whatever hangs, and waits for the last call. */
  async #end(): Promise<void> {
    this.wasClosed = this.executor.getStatus().state.startsWith('clos')
    await comesThrough(this)
    this.act({ do: 'close', drain: true, graceMs: 50 })
    await this.pass(60)
    for (const seen of this.seen) seen.release?.()
    await this.pass(Number.POSITIVE_INFINITY)
    if (this.violation === '') this.laws.atEnd()
  }

  /** Something that anybody may do at any moment. */
  act(action: Action): void {
    this.note(() => JSON.stringify(action))
    this.counts.add(action.do)
    if (this.model !== undefined && this.model.unsure !== '') this.unsure(this.model.unsure)
    this.onStack++
    try {
      if (this.#dice?.chance(0.3)) this.laws.hear(this.#dice.chance(0.3))
      perform(this, action)
      this.reference?.flush()
    } finally {
      this.onStack--
    }
  }

  closes(): void {
    this.#closesAt = Math.min(this.#closesAt, this.clock.now())
    this.isPaused = false
  }

  limps(ms: number): void {
    this.#closesAt = Math.min(this.#closesAt, this.clock.now() + ms)
  }

  isClosing = (): boolean => this.#closesAt <= this.clock.now()
  isLame = (): boolean => this.#closesAt < Number.POSITIVE_INFINITY && !this.isClosing()

  /** Keeps an eye on a promise that was handed out. */
  hand(name: string, promise: Promise<unknown>): Handed {
    const handed: Handed = { name, end: '' }
    promise.then(
      () => {
        handed.end = 'ok'
      },
      (error: unknown) => {
        handed.end = endOf(error)
      },
    )
    this.promises.push(handed)
    return handed
  }
}
