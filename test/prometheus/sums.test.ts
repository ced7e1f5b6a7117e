/**
 * Do the sums agree? What is scraped after 100,000 mixed requests, against the engine's totals and against the events.
 */
import { Registry } from 'prom-client'
import {
  backoff,
  type ExecutorStatus,
  type Outcome,
  type Priority,
  priorities,
  QueuedExecutor,
  type QueuedExecutorOptions,
  type QueuedRequest,
  type TriageError,
} from 'triage-queue'
import { prometheus } from 'triage-queue/prometheus'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'
import { seeded } from '../support/seeded.ts'
import { Exposition } from './exposition.ts'

const endings: readonly Outcome[] = ['completed', 'failed', 'expired', 'cancelled', 'shed']

interface Work {
  readonly ms: number
  readonly fails: boolean
  /** It goes on when its signal is aborted. */
  readonly isDeaf: boolean
  readonly fitness: 'fit' | 'unfit' | 'breaks the schema'
}

/** What the events say, which the engine counts nowhere. */
class Ledger {
  readonly #counts = new Map<string, number>()
  readonly #running = new Set<string>()
  readonly #retried = new Set<string>()
  completedMs = 0

  constructor(queue: QueuedExecutor<Work, number>) {
    queue.on('queued', ({ priority }) => this.#count('requests', priority))
    queue.on('rejected', ({ priority, error }) => {
      this.#count('requests', priority)
      const { code } = error as Partial<TriageError>
      this.#count('rejected', priority, code ?? (error === 'aborted' ? 'aborted' : 'error'))
    })
    queue.on('joined', () => this.#count('joined'))
    queue.on('started', ({ id, priority, attempt }) => {
      this.#running.add(id)
      if (attempt === 1) this.#count('waited', priority)
    })
    queue.on('retrying', ({ id, priority }) => {
      this.#running.delete(id)
      this.#retried.add(id)
      this.#count('retries')
      this.#count('ran', priority, 'failed')
    })
    for (const ending of ['completed', 'failed'] as const) {
      queue.on(ending, ({ id, priority, runMs }) => {
        this.#running.delete(id)
        this.#count('ended', priority, ending)
        this.#count('ran', priority, ending)
        if (ending === 'completed') this.completedMs += runMs
      })
    }
    for (const ending of ['expired', 'cancelled'] as const) {
      queue.on(ending, ({ id, priority }) => {
        this.#count('ended', priority, ending)
        if (this.#running.delete(id)) this.#count('ran', priority, ending)
        else if (!this.#retried.has(id)) this.#count('waited', priority)
      })
    }
    queue.on('shed', ({ priority }) => {
      this.#count('ended', priority, 'shed')
      this.#count('waited', priority)
    })
  }

  count(...what: string[]): number {
    return this.#counts.get(what.join(' ')) ?? 0
  }

  #count(...what: string[]): void {
    this.#counts.set(what.join(' '), this.count(...what) + 1)
  }
}

/** Requests of all kinds, at random. */
class Crowd {
  readonly queue: QueuedExecutor<Work, number>
  readonly ledger: Ledger
  readonly #random: () => number
  readonly #clock: VirtualClock
  #submitted = 0
  #isClosing = false
  #live: QueuedRequest<Work, number>[] = []
  #controllers: AbortController[] = []

  constructor(clock: VirtualClock, seed: number, options: QueuedExecutorOptions<Work>) {
    this.#random = seeded(seed)
    this.#clock = clock
    const runs = async (work: Work, signal: AbortSignal): Promise<number> => {
      await clock.sleep(work.ms, work.isDeaf ? {} : { signal })
      if (work.fails) throw new Error('it failed')
      return work.ms
    }
    this.queue = new QueuedExecutor<Work, number>((work, run) => runs(work, run.signal), {
      clock,
      concurrency: 40,
      maxQueueSize: { total: 60, low: 15 },
      runTimeoutMs: 30,
      onDuplicate: 'join-by-id',
      schema: { '~standard': { version: 1, vendor: 'test', validate } },
      random: this.#random,
      ...options,
    })
    this.ledger = new Ledger(this.queue)
  }

  comes(requests: number): void {
    for (let i = 0; i < requests; i++) this.#one()
    this.#live = this.#live.filter(({ state }) => state === 'waiting' || state === 'running')
    for (const request of this.#live) {
      const luck = this.#random()
      if (luck < 0.01) request.cancel('enough')
      else if (luck < 0.02) request.setPriority(this.#priority())
    }
    for (const controller of this.#controllers) controller.abort('aborted')
    this.#controllers = []
  }

  #one(): void {
    // What is refused for two reasons at once would be counted with one of them.
    const luck = this.#random()
    const work: Work = {
      ms: this.#chance(0.03) ? 45 : Math.floor(this.#random() * 12),
      fails: this.#chance(0.1),
      isDeaf: this.#chance(0.5),
      fitness: luck < 0.02 ? 'unfit' : luck < 0.03 ? 'breaks the schema' : 'fit',
    }
    this.#submitted++
    const answer = this.queue.submit(work, {
      priority: this.#priority(),
      ...(this.#chance(0.2) ? { waitTimeoutMs: 1 + Math.floor(this.#random() * 15) } : {}),
      ...(luck > 0.99 ? { timeoutMs: -1 } : {}),
      ...(this.#chance(0.1) ? { id: `${Math.floor(this.#submitted / 10)}` } : {}),
      ...(luck > 0.1 && luck < 0.13 ? { signal: this.#signal(luck < 0.11) } : {}),
    })
    answer.then(
      (request) => this.#live.push(request),
      () => {},
    )
  }

  #signal(isAborted: boolean): AbortSignal {
    if (isAborted && !this.#isClosing) return AbortSignal.abort('aborted')
    const controller = new AbortController()
    this.#controllers.push(controller)
    return controller.signal
  }

  async leaves(): Promise<void> {
    const closed = this.queue.close()
    this.#isClosing = true
    for (let i = 0; i < 10; i++) this.#one()
    await this.#clock.run({ until: closed })
  }

  #chance(share: number): boolean {
    return this.#random() < share
  }

  #priority(): Priority {
    return priorities[Math.floor(this.#random() * 4)] as Priority
  }
}

function validate(value: unknown) {
  const work = value as Work
  if (work.fitness === 'breaks the schema') throw new Error('the schema is broken')
  return work.fitness === 'unfit' ? { issues: [{ message: 'unfit' }] } : { value: work }
}

test('after 100,000 mixed requests each counter is the engine’s own, each histogram counts its endings', async () => {
  const clock = new VirtualClock()
  const crowds = [
    new Crowd(clock, 1, { name: 'reject', onDuplicate: 'reject' }),
    new Crowd(clock, 2, { name: 'shed', whenFull: 'shed' }),
    new Crowd(clock, 3, {
      name: 'block',
      whenFull: 'block',
      maxBlocked: 20,
      retry: backoff({ baseMs: 8, random: seeded(4) }),
    }),
  ]
  const registry = new Registry()
  for (const { queue } of crowds) prometheus(queue, { registry })

  let submitted = 0
  for (let wave = 0; submitted < 100_000; wave++) {
    for (const crowd of crowds) crowd.comes(40)
    submitted += 120
    await clock.advance(1 + (wave % 5))
    // In the middle of it all: nothing is lost between the metrics of one scrape.
    if (wave % 200 === 0) for (const { queue } of crowds) expectConservation(await scrape(registry), queue.getStatus())
  }
  await Promise.all(crowds.map((crowd) => crowd.leaves()))
  // The calls of requests that have ended go on for a while.
  await clock.run()

  const text = await scrape(registry)
  for (const { queue, ledger } of crowds) {
    const status = queue.getStatus()
    expect(status).toMatchObject({ state: 'closed', activeWorkers: 0, waiting: 0, running: 0 })
    expectConservation(text, status)
    expectTotals(text, status)
    expectLedger(text, status.name, ledger)
  }
  const total = crowds.reduce((sum, { queue }) => sum + sumOf(queue.getStatus()), 0)
  expect(total).toBe(submitted + 30)

  // None of the kinds was left out.
  for (const ending of endings) expect(text.sum('triage_requests_ended_total', { outcome: ending })).toBeGreaterThan(50)
  const reasons = new Set(text.having('triage_queue_requests_rejected_total', {}).map(({ labels }) => labels.reason))
  expect([...reasons].sort()).toEqual([
    'aborted',
    'duplicate_request',
    'error',
    'invalid_options',
    'invalid_request',
    'queue_closed',
    'queue_full',
    'wait_timeout',
  ])
  expect(text.value('triage_retries_total', { queue: 'block' })).toBeGreaterThan(50)
  for (const name of ['shed', 'block']) {
    expect(text.value('triage_queue_requests_joined_total', { queue: name })).toBeGreaterThan(50)
  }
}, 60_000)

async function scrape(registry: Registry): Promise<Exposition> {
  return new Exposition(await registry.metrics())
}

function sumOf({ totals }: ExecutorStatus): number {
  return totals.admitted + totals.rejected + totals.joined
}

/** What was admitted waits, runs, or has ended. */
function expectConservation(text: Exposition, { name: queue }: ExecutorStatus): void {
  const rejected = text.sum('triage_queue_requests_rejected_total', { queue })
  const ended = text.sum('triage_requests_ended_total', { queue })
  const waiting = text.value('triage_queue_size', { queue, priority: 'all' }) ?? Number.NaN
  const running = text.value('triage_queue_running', { queue }) ?? Number.NaN
  const retrying = text.value('triage_queue_retrying', { queue }) ?? Number.NaN
  expect(text.sum('triage_queue_requests_total', { queue })).toBe(rejected + waiting + retrying + running + ended)
  expect(text.sum('triage_queue_size', { queue })).toBe(2 * waiting)
}

function expectTotals(text: Exposition, { name: queue, ...status }: ExecutorStatus): void {
  for (const priority of priorities) {
    const totals = status.totalsByPriority[priority]
    const requests = text.value('triage_queue_requests_total', { queue, priority })
    expect(requests).toBe(totals.admitted + totals.rejected)
    for (const outcome of endings) {
      expect(text.value('triage_requests_ended_total', { queue, priority, outcome })).toBe(totals[outcome])
    }
    const rejections = text.having('triage_queue_requests_rejected_total', { queue, priority })
    expect(Object.fromEntries(rejections.map(({ labels, value }) => [labels.reason, value]))).toEqual(
      status.rejectedByPriority[priority],
    )
  }
  expect(text.value('triage_queue_requests_joined_total', { queue })).toBe(status.totals.joined)
  expect(text.value('triage_retries_total', { queue })).toBe(status.totals.retries)
  expect(text.value('triage_listener_errors_total', { queue })).toBe(0)
}

function expectLedger(text: Exposition, queue: string, ledger: Ledger): void {
  for (const priority of priorities) {
    expect(text.value('triage_queue_requests_total', { queue, priority })).toBe(ledger.count('requests', priority))
    for (const { labels, value } of text.having('triage_queue_requests_rejected_total', { queue, priority })) {
      const reason = labels.reason as string
      const code = reason === 'aborted' || reason === 'error' ? reason : `TRIAGE_${reason.toUpperCase()}`
      expect([reason, value]).toEqual([reason, ledger.count('rejected', priority, code)])
    }
    const waits = text.value('triage_queue_wait_time_seconds_count', { queue, priority })
    expect(waits).toBe(ledger.count('waited', priority))
    for (const outcome of endings) {
      const ended = text.value('triage_requests_ended_total', { queue, priority, outcome })
      expect(ended).toBe(ledger.count('ended', priority, outcome))
      const runs = text.value('triage_run_time_seconds_count', { queue, priority, outcome }) ?? 0
      expect(runs).toBe(ledger.count('ran', priority, outcome))
    }
  }
  expect(text.value('triage_queue_requests_joined_total', { queue })).toBe(ledger.count('joined'))
  expect(text.value('triage_retries_total', { queue })).toBe(ledger.count('retries'))
  const completedSeconds = text.sum('triage_run_time_seconds_sum', { queue, outcome: 'completed' })
  expect(completedSeconds).toBeCloseTo(ledger.completedMs / 1_000, 6)
}
