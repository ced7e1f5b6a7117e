/**
 * The mixed load: waves of requests of every sort. After each wave everything has ended, and nothing of it may be left.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { getEventListeners } from 'node:events'
import { priorities, type QueuedRequest, type RequestOptions } from 'triage-queue'
import { seeded } from '../../support/seeded.ts'
import { type Answer, type Job, makeJob, pick } from './job.ts'
import { type Lane, Lanes } from './lanes.ts'
import { must } from './must.ts'
import { Tally } from './tally.ts'
import type { Time } from './time.ts'

const BURSTS = 4
const BURST_SIZE = 50
const MAPPED = 20

type Handle = QueuedRequest<Job, Answer>

export class Load {
  readonly tally = new Tally()
  readonly lanes: Lanes
  readonly #time: Time
  readonly #random = seeded(20)
  readonly #context = new AsyncLocalStorage<object>()
  /** Of all requests that share it, whatever wave they belong to; it is never aborted. */
  readonly #lasting = new AbortController().signal
  #waves = 0
  // What belongs to the wave that is under way.
  #shared = new AbortController()
  #own: AbortController[] = []
  #handles: Handle[] = []
  #ends: PromiseLike<unknown>[] = []

  constructor(time: Time) {
    this.#time = time
    this.lanes = new Lanes(time, this.#random, this.tally)
  }

  /** One wave, from its first request until everything has ended. */
  async wave(): Promise<void> {
    this.#waves++
    const passing = this.lanes.passing()
    const lanes = [...this.lanes.all, passing]
    const [first] = lanes as [Lane]
    for (let burst = 0; burst < BURSTS; burst++) {
      for (const lane of lanes) for (let i = 0; i < BURST_SIZE; i++) this.#request(lane)
      const mapping = this.#map(pick(this.#random, this.lanes.all))
      this.#ends.push(mapping)
      if (burst === 1) first.pause()
      if (burst === 2) first.resume()
      first.concurrency = 4 + (burst % 2) * 4
      await this.#time.pass(this.#random() * 20)
      this.#meddle(lanes)
    }
    if (this.#waves % 2 === 0) this.#shared.abort()
    this.#ends.push(passing.close({ drain: this.#waves % 3 > 0, graceMs: this.#time.timeoutMs(50) }))
    await this.#time.until(this.#ended())
    const { timers } = this.#time.clock
    must(timers === 0, () => `after wave ${this.#waves} ${timers} timers are set`)
    await this.#time.rest()
    this.#isQuiet(lanes)
    this.#forget()
  }

  async #ended(): Promise<void> {
    await Promise.all(this.#ends)
    for (const lane of this.lanes.all) await lane.idle()
  }

  #request(lane: Lane): void {
    const { tally } = this
    const job = makeJob(this.#random, tally.requests)
    const options = this.#options()
    const submit = (): PromiseLike<void> => {
      const way = this.#random()
      if (way < 0.6) return tally.watch(lane.execute(job, options))
      if (way < 0.8) return tally.watchHandle(lane.submit(job, options), (handle) => this.#use(handle as Handle))
      return tally.watchHandle(this.#offer(lane, job, options), (handle) => this.#use(handle as Handle))
    }
    this.#ends.push(this.#random() < 0.5 ? submit() : this.#context.run({ job }, submit))
  }

  // Asynchronous, so that what it throws is an outcome like any other.
  async #offer(lane: Lane, job: Job, options: RequestOptions): Promise<Handle | undefined> {
    return lane.offer(job, options)
  }

  #options(): RequestOptions {
    const random = this.#random
    const often = (share: number): boolean => random() < share
    const ms = (longest: number): number => this.#time.timeoutMs(1 + random() * longest)
    const options: RequestOptions = { priority: pick(random, priorities) }
    if (often(0.2)) options.id = `${Math.floor(random() * 30)}`
    if (often(0.3)) options.signal = this.#signal()
    if (often(0.2)) options.waitTimeoutMs = ms(30)
    if (often(0.2)) options.runTimeoutMs = ms(30)
    if (often(0.2)) options.timeoutMs = ms(60)
    if (often(0.3)) options.metadata = { of: this.tally.requests }
    if (often(0.1)) options.cost = 1 + Math.floor(random() * 3)
    if (often(0.05)) options.startAt = new Date(0)
    const delayMs = this.#time.delayMs(random() * 20)
    if (delayMs !== undefined && often(0.1)) options.delayMs = delayMs
    const before = this.#ends.at(-1)
    if (before !== undefined && often(0.05)) options.after = [before]
    return options
  }

  #signal(): AbortSignal {
    const which = this.#random()
    if (which < 0.4) return this.#lasting
    if (which < 0.7) return this.#shared.signal
    const own = new AbortController()
    if (which < 0.75) own.abort()
    else this.#own.push(own)
    return own.signal
  }

  /** True: its result is read. */
  #use(handle: Handle): boolean {
    if (this.#random() < 0.5) this.#handles.push(handle)
    return this.#random() < 0.7
  }

  /** Those who hold a handle or know an id do something with it. */
  #meddle(lanes: readonly Lane[]): void {
    const random = this.#random
    for (const handle of this.#handles.splice(0)) {
      void [handle.id, handle.state, handle.position(), handle.endedAt]
      if (random() < 0.5) handle.setPriority(pick(random, priorities))
      if (random() < 0.3) handle.cancel('no longer needed')
    }
    for (const own of this.#own) if (random() < 0.2) own.abort()
    for (const lane of lanes) {
      const id = `${Math.floor(random() * 30)}`
      void [lane.position(id), lane.get(id)?.state, lane.getWorkerHealth()]
      if (random() < 0.5) lane.cancel(id)
      this.#ends.push(lane.ready(pick(random, priorities)).catch(() => {}))
    }
  }

  async #map(lane: Lane): Promise<void> {
    const { tally } = this
    const random = this.#random
    let pulled = 0
    let answers = 0
    function* jobs(): Generator<Job> {
      while (pulled < MAPPED) {
        pulled++
        yield makeJob(random, tally.requests++)
      }
    }
    try {
      for await (const _ of lane.map(jobs(), { signal: this.#lasting, ordered: random() < 0.5 })) answers++
    } catch {
      // The first failure ends it, and what was on its way.
    }
    tally.end('mapped', answers)
    tally.end('map ended before', pulled - answers)
  }

  #isQuiet(lanes: readonly Lane[]): void {
    for (const [i, lane] of lanes.entries()) {
      const { waiting, running, retrying, blocked, activeWorkers, stuckWorkers } = lane.getStatus()
      const left = waiting + running + retrying + blocked + activeWorkers + stuckWorkers
      must(left === 0, () => `wave ${this.#waves}, executor ${i}: not idle: ${JSON.stringify(lane.getStatus())}`)
    }
    for (const signal of [this.#lasting, this.#shared.signal, ...this.#own.map((own) => own.signal)]) {
      const listeners = getEventListeners(signal, 'abort').length
      must(listeners === 0, () => `after wave ${this.#waves} a signal has ${listeners} listeners`)
    }
    const { requests, outcomes } = this.tally
    const ended = Object.values(outcomes).reduce((sum, count) => sum + count, 0)
    must(ended === requests, () => `after wave ${this.#waves}: ${requests} requests, but ${ended} have ended`)
  }

  #forget(): void {
    this.#shared = new AbortController()
    this.#own = []
    this.#handles = []
    this.#ends = []
  }
}
