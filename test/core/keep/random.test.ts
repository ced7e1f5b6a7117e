/**
 * A store beside everything else: random settings, requests and moments of commit, refusal and outage; with the second set of books.
 * Nothing runs before its beginning is recorded, nothing is told before its end is, everything settles, and the numbers add up.
 */
import {
  aging,
  backoff,
  codel,
  earliestDeadlineFirst,
  fairBy,
  meetsDeadline,
  type Priority,
  priorities,
  QueuedExecutor,
  type QueuedExecutorOptions,
  type QueuedRequest,
  type RunContext,
  shedByPriority,
  tokenBucket,
  weighted,
} from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'
import { turn, type Watched, watch } from '../../failures/support.ts'
import { seeded } from '../../support/seeded.ts'
import { HandStore, live } from './hand-store.ts'

type Options = QueuedExecutorOptions<string>

const SEEDS = Number(process.env.KEEP_SEEDS ?? 150)
const FROM = Number(process.env.KEEP_FROM ?? 1)

/** A function of the user, which fails for one kind of request. */
function perRequest(request: unknown): unknown {
  if (request === 'r10003') throw new Error('mine')
  return request
}

async function play(seed: number): Promise<void> {
  const random = seeded(seed)
  const below = (n: number): number => Math.floor(random() * n)
  const pick = <T>(all: readonly T[]): T => all[below(all.length)] as T
  const maybe = (share: number): boolean => random() < share

  const store = new HandStore()
  store.isDurable = !maybe(0.1)
  const clock = new VirtualClock()
  const order = pick([
    undefined,
    undefined,
    () => aging(),
    () => weighted(),
    () => earliestDeadlineFirst(),
    () => fairBy((request) => `${request}`),
  ])
  const options: Options = {
    ...{
      store,
      clock,
      debug: true,
      concurrency: 1 + below(3),
      whenFull: pick(['reject', 'block', 'shed', undefined] as const),
    },
    maxQueueSize: pick([2, 5, 100, 'none', { total: 4, low: 1 }] as const) as never,
    ...(order === undefined ? {} : { order: order() as never }),
    ...(maybe(0.3) ? { retry: backoff({ attempts: 3, baseMs: 5, budget: 1 }) } : {}),
    ...(maybe(0.2)
      ? {
          rateLimit: tokenBucket({
            ...{ perSecond: 50, burst: 2, over: pick(['wait', 'refuse'] as const) },
            per: pick([undefined, 'priority', perRequest] as const) as never,
          }) as never,
        }
      : {}),
    ...(maybe(0.15) ? { reserve: { urgent: 1 }, concurrency: 3 } : {}),
    ...(maybe(0.15) ? { overload: pick([() => codel(), () => meetsDeadline(), () => shedByPriority()])() } : {}),
    ...(maybe(0.2) ? { waitTimeoutMs: 40 } : {}),
    ...(maybe(0.2) ? { timeoutMs: 60 } : {}),
    ...(maybe(0.2) ? { onStuck: 'replace', runTimeoutMs: 30 } : {}),
    ...(maybe(0.1) ? { results: 'eager' } : {}),
    ...(maybe(0.3) ? { tellWithinMs: 50 } : {}),
  }
  /** What was committed, in words. */
  const committed = new Set<string>()
  const { commit } = HandStore.prototype
  store.commit = async (count = store.pending.length) => {
    for (const { text } of store.pending.slice(0, count)) committed.add(text)
    await commit.call(store, count)
  }
  const problems: string[] = []
  /** The numbers of each id: it may be used again after its end. */
  const seqsOf = new Map<string, number[]>()
  // The numbers of those whose admission was handed over.
  const { queue: part } = HandStore.prototype
  store.queue = (name) => {
    const made = part.call(store, name)
    const { admitted } = made
    return Object.assign(Object.create(made), {
      admitted: (record: { id: string; seq: number }) => {
        seqsOf.set(record.id, [...(seqsOf.get(record.id) ?? []), record.seq])
        return admitted(record as never)
      },
    })
  }
  const calls: { id: string; end(fails: boolean): void }[] = []
  const executor = (_: string, run: RunContext): Promise<unknown> => {
    const isBegun = (seqsOf.get(run.id) ?? []).some((seq) =>
      [`begin ${seq}.${run.attempt}`, `admit ${seq} begun`].some((text) => committed.has(text)),
    )
    if (!isBegun) problems.push(`${run.id} runs before its beginning is recorded`)
    return new Promise((resolve, reject) => {
      calls.push({ id: run.id, end: (fails) => (fails ? reject(new Error('mine')) : resolve(run.id)) })
    })
  }
  const queue = new QueuedExecutor<string, unknown>(executor, options)
  const isRecorded = store.isDurable && options.results !== 'eager'
  const unrecorded = new Set<string>()
  queue.on('unrecorded', ({ id }) => unrecorded.add(id))
  const told: Watched<unknown>[] = []
  const handles: QueuedRequest<string, unknown>[] = []
  queue.on('completed', ({ id }) => {
    const isCommitted = (seqsOf.get(id) ?? []).some((seq) => committed.has(`completed ${seq}`))
    if (isRecorded && !unrecorded.has(id) && !isCommitted) problems.push(`${id} is told before it is recorded`)
  })
  const ids = Array.from({ length: 8 }, (_, i) => `id${i}`)
  /** One of a former life: requeued in the store itself. */
  let back = 0
  const comesBack = (): void => {
    const id = `back${++back}`
    // Numbers that no newcomer has.
    const seq = 10_000 + back
    seqsOf.set(id, [seq])
    const limits = maybe(0.2) ? { cost: 1 + below(options.concurrency as number) } : maybe(0.2) ? { timeoutMs: 20 } : {}
    const startAt = maybe(0.2) ? { startAt: Date.now() + below(30) } : {}
    store.arrived?.(live(seq, { id, isKey: true, priority: pick(priorities), limits, ...startAt }))
  }
  for (let step = 0; step < 60; step++) {
    const action = below(12)
    if (action < 4) {
      const controller = new AbortController()
      const request = {
        priority: pick(priorities) as Priority,
        ...(maybe(0.5) ? { id: pick(ids) } : {}),
        ...(maybe(0.15) ? { delayMs: below(30) } : {}),
        ...(maybe(0.15) ? { cost: 1 + below(options.concurrency as number) } : {}),
        ...(maybe(0.1) && handles.length > 0 ? { after: [pick(handles)] } : {}),
        ...(maybe(0.2) ? { signal: controller.signal } : {}),
        ...(maybe(0.1) ? { timeoutMs: 20 } : {}),
      }
      const payload = pick(['a', 'b', 'cc'])
      const how = below(3)
      if (how === 0) told.push(watch(queue.execute(payload, request)))
      else if (how === 1) {
        const admitted = queue.submit(payload, request)
        told.push(watch(admitted.then((handle) => handle.result)))
        void admitted.then(
          (handle) => handles.push(handle),
          () => {},
        )
      } else {
        try {
          const handle = queue.offer(payload, request)
          if (handle !== undefined) {
            handles.push(handle)
            told.push(watch(handle.result))
            if (maybe(0.5)) told.push(watch(handle.stored))
          }
        } catch {
          // A duplicate.
        }
      }
      if (maybe(0.1)) controller.abort()
    } else if (action === 4) queue.cancel(pick(ids))
    else if (action === 5 && handles.length > 0) pick(handles).setPriority(pick(priorities) as Priority)
    else if (action === 6 && handles.length > 0) pick(handles).cancel()
    else if (action === 7) {
      const [call] = calls.splice(below(calls.length), 1)
      call?.end(maybe(0.3))
      if (maybe(0.5)) await turn()
    } else if (action === 8) await store.commit(1 + below(4))
    else if (action === 9) await store.commit()
    else if (action === 10) {
      const what = below(12)
      if (what < 2) await store.refuse()
      else if (what < 4) await store.becomes(store.state === 'open' ? 'faulty' : 'open')
      else if (what === 4) queue.clear()
      else if (what < 8) comesBack()
      else if (what === 8) queue.pause()
      else if (what === 9) queue.concurrency = Math.max(below(4), options.concurrency as number)
      else if (what === 10) {
        const isSeated = options.maxQueueSize === 'none'
        queue.update({ waitTimeoutMs: 20 + below(100), ...(isSeated ? {} : { maxQueueSize: 1 + below(6) }) })
      } else void queue.requeue(pick(ids)).catch(() => {})
      if (maybe(0.7)) queue.resume()
    } else await clock.advance(below(25))
    if (maybe(0.3)) await turn()
  }
  // Let it end.
  if (store.state !== 'open') await store.becomes('open')
  const closed = watch(maybe(0.5) ? queue.close() : queue.close({ drain: false }))
  for (let i = 0; i < 400 && closed.state === 'pending'; i++) {
    await store.commit()
    for (const call of calls.splice(0)) call.end(maybe(0.2))
    await turn()
    await clock.advance(200)
  }
  for (let i = 0; i < 5; i++) {
    await store.commit()
    await turn()
  }
  expect(problems).toEqual([])
  expect([closed.state, told.filter(({ state }) => state === 'pending').length]).toEqual(['fulfilled', 0])
  const { totals, store: kept, waiting, running, retrying } = queue.getStatus()
  const { admitted, completed, failed, expired, cancelled, shed } = totals
  expect([waiting, running, retrying, kept?.storing]).toEqual([0, 0, 0, 0])
  expect(admitted).toBe(completed + failed + expired + cancelled + shed + (kept?.parked ?? 0))
}

test(`a store beside everything else: ${SEEDS} seeds`, { timeout: 120_000 }, async () => {
  for (let seed = FROM; seed < FROM + SEEDS; seed++) {
    try {
      await play(seed)
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error })
    }
  }
})
