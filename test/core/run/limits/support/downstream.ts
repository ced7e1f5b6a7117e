/**
 * A downstream to be found out about, simulated event by event: servers behind a first-in first-out line, and in front of
 * it more requests than it can serve, of which as many are in flight as the limit allows.
 */
import type { LimitPolicy } from '../../../../../src/core/run/limit.ts'
import { seeded } from '../../../../support/seeded.ts'

export interface Downstream {
  /** Calls that it works on at once, at a time in ms. One more waits inside. */
  servers(at: number): number
  /** What a call takes once a server works on it, in ms, on average. */
  serviceMs(at: number): number
  /** A factor on that, 1 on average, made from a random number from 0 to 1. */
  spread(random: number): number
  /** A call that has not answered by then is dropped: no goodput. */
  timeoutMs: number
  /** By how much a call takes longer for each time its servers that is in flight beyond them: 0 if it only queues. */
  contention?: number
  /** True: it refuses each call after a millisecond. */
  refuses?(at: number): boolean
}

export const steady = (): number => 1
export const uniform = (random: number): number => 0.5 + random
export const exponential = (random: number): number => -Math.log(1 - random)

export interface Run {
  /** The limit at the end of each second. */
  readonly limits: number[]
  /** Answers in time, in each second. */
  readonly good: number[]
}

/** Runs it for so many seconds under a limit. */
export function simulate(policy: LimitPolicy, downstream: Downstream, seconds: number, seed = 1): Run {
  const simulation = new Simulation(policy, downstream, seed)
  const run: Run = { limits: [], good: [] }
  for (let second = 1; second <= seconds; second++) {
    run.good.push(simulation.advanceTo(second * 1_000))
    run.limits.push(simulation.limit)
  }
  return run
}

/** The goodput of the best fixed limit, in answers a second, found by trying them. */
export function bestFixed(downstream: Downstream, at: number): number {
  const frozen: Downstream = {
    ...downstream,
    servers: () => downstream.servers(at),
    serviceMs: () => downstream.serviceMs(at),
  }
  const seconds = Math.max(10, (100 * frozen.serviceMs(0)) / 1_000)
  const goodputs = [0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.4, 1.7, 2, 3].map((factor) => {
    const limit = Math.max(1, Math.round(factor * frozen.servers(0)))
    const { good } = simulate({ name: 'fixed', initial: limit, sample: () => limit }, frozen, seconds)
    return mean(good.slice(Math.floor(good.length / 2)))
  })
  return Math.max(...goodputs)
}

export function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0) / numbers.length
}

interface Call {
  readonly startedAt: number
  readonly inflight: number
  settled: boolean
}

interface Happening {
  readonly at: number
  readonly call: Call
  readonly what: 'served' | 'timeout' | 'refused'
}

class Simulation {
  readonly #policy: LimitPolicy
  readonly #downstream: Downstream
  readonly #random: () => number
  readonly #agenda: Happening[] = []
  #line: Call[] = []
  #head = 0
  #busy = 0
  #inflight = 0
  #now = 0
  #good = 0
  limit: number

  constructor(policy: LimitPolicy, downstream: Downstream, seed: number) {
    this.#policy = policy
    this.#downstream = downstream
    this.#random = seeded(seed)
    this.limit = policy.initial
    this.#fill()
  }

  /** Goes on to a time; how many answers were in time. */
  advanceTo(time: number): number {
    this.#good = 0
    while ((this.#agenda[0]?.at ?? Number.POSITIVE_INFINITY) <= time) {
      const { at, call, what } = this.#take()
      this.#now = at
      if (what === 'served') this.#busy--
      if (!call.settled) this.#settle(call, what !== 'served')
      this.#serve()
    }
    return this.#good
  }

  #fill(): void {
    const refuses = this.#downstream.refuses?.(this.#now) ?? false
    while (this.#inflight < this.limit) {
      this.#inflight++
      const call = { startedAt: this.#now, inflight: this.#inflight, settled: false }
      if (refuses) {
        this.#add(this.#now + 1, call, 'refused')
      } else {
        this.#line.push(call)
        this.#add(this.#now + this.#downstream.timeoutMs, call, 'timeout')
      }
    }
    this.#serve()
  }

  #serve(): void {
    while (this.#busy < this.#downstream.servers(this.#now) && this.#head < this.#line.length) {
      const call = this.#line[this.#head++] as Call
      if (call.settled) continue
      this.#busy++
      const crowd = Math.max(0, this.#inflight / this.#downstream.servers(this.#now) - 1)
      const slower = 1 + (this.#downstream.contention ?? 0) * crowd
      const ms = this.#downstream.serviceMs(this.#now) * this.#downstream.spread(this.#random()) * slower
      this.#add(this.#now + ms, call, 'served')
    }
    if (this.#head > 1_000) {
      this.#line = this.#line.slice(this.#head)
      this.#head = 0
    }
  }

  #settle(call: Call, dropped: boolean): void {
    call.settled = true
    this.#inflight--
    if (!dropped) this.#good++
    const runMs = this.#now - call.startedAt
    const limit = this.#policy.sample({ at: this.#now, runMs, inflight: call.inflight, dropped })
    this.limit = Math.max(1, Math.floor(limit))
    this.#fill()
  }

  // A binary heap by time.

  #add(at: number, call: Call, what: Happening['what']): void {
    const agenda = this.#agenda
    const added: Happening = { at, call, what }
    let index = agenda.length
    while (index > 0) {
      const parent = (index - 1) >> 1
      if ((agenda[parent] as Happening).at <= at) break
      agenda[index] = agenda[parent] as Happening
      index = parent
    }
    agenda[index] = added
  }

  #take(): Happening {
    const agenda = this.#agenda
    const first = agenda[0] as Happening
    const last = agenda.pop() as Happening
    if (agenda.length === 0) return first
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= agenda.length) break
      const right = agenda[child + 1]
      if (right !== undefined && right.at < (agenda[child] as Happening).at) child++
      if ((agenda[child] as Happening).at >= last.at) break
      agenda[index] = agenda[child] as Happening
      index = child
    }
    agenda[index] = last
    return first
  }
}
