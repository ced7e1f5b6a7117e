/**
 * A million requests through shards, on virtual time: the production classes, and no real waiting.
 *
 * `node --import ./test/support/from-source.ts test/threads/million.ts [REQUESTS [SHARDS [SLOTS [RUN_MS [ROUTE]]]]]` says what came out.
 */
import { QueuedExecutor } from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { type Route, type ShardsStatus, shards } from 'triage-queue/threads'

export interface Million {
  readonly requests: number
  readonly shards: number
  readonly slots: number
  readonly runMs: number
  readonly route: Route
  /** How many may wait in each shard. */
  readonly waiting: number
}

export interface Outcome {
  /** How long it took there, and here. */
  readonly simulatedMs: number
  readonly realMs: number
  /** Of each request how often it has run, and been answered. */
  readonly runs: Uint8Array
  readonly answers: Uint8Array
  readonly mostWaiting: number
  /** Of as many instants in between: was it exact? */
  readonly looks: number
  readonly status: ShardsStatus
}

/** What was admitted is what waits, runs, is retried or has ended. */
export function isExact({ totals, waiting, running, retrying }: ShardsStatus): boolean {
  const { admitted, completed, failed, expired, cancelled, shed } = totals
  return admitted === waiting + running + retrying + completed + failed + expired + cancelled + shed
}

export async function million({ requests, shards: n, slots, runMs, route, waiting }: Million): Promise<Outcome> {
  const clock = new VirtualClock()
  const runs = new Uint8Array(requests)
  const answers = new Uint8Array(requests)
  const from = performance.now()
  const make = (): QueuedExecutor<number, number> =>
    new QueuedExecutor<number, number>(
      (request) => {
        runs[request] = (runs[request] as number) + 1
        return new Promise((resolve) => clock.setTimeout(() => resolve(request), runMs))
      },
      {
        name: 'llm',
        clock,
        concurrency: slots,
        maxQueueSize: waiting,
        whenFull: 'block',
        maxBlocked: Number.POSITIVE_INFINITY,
      },
    )
  const all = shards<number, number>(n, make, {
    route,
    ...(route === 'hash' && { key: (request) => `request ${request}` }),
  })
  const status = (): ShardsStatus => all.getStatus() as ShardsStatus
  let given = 0
  let ended = 0
  let mostWaiting = 0
  let looks = 0
  const answered = (request: number): void => {
    answers[request] = (answers[request] as number) + 1
    ended++
  }
  // As many as can wait or run, and no more: a million callers at once would be memory, not work.
  const most = n * (slots + waiting)
  while (ended < requests) {
    for (; given < requests && given - ended < most; given++) void all.execute(given).then(answered)
    await clock.step()
    await clock.settle()
    const now = status()
    mostWaiting = Math.max(mostWaiting, now.waiting)
    if (!isExact(now)) throw new Error(`at ${clock.now()} ms the totals are not exact: ${JSON.stringify(now.totals)}`)
    looks++
  }
  const simulatedMs = clock.now()
  await all.close()
  return { simulatedMs, realMs: performance.now() - from, runs, answers, mostWaiting, looks, status: status() }
}

if (process.argv[1] === import.meta.filename) {
  const [requests = 1_000_000, n = 4, slots = 1_000, runMs = 3_500] = process.argv.slice(2, 6).map(Number)
  const routes = (process.argv[6] === undefined ? ['hash', 'roundRobin', 'leastLoaded'] : [process.argv[6]]) as Route[]
  for (const route of routes) {
    const outcome = await million({ requests, shards: n, slots, runMs, route, waiting: 100_000 })
    const once = (counts: Uint8Array): number => counts.reduce((sum, count) => sum + (count === 1 ? 1 : 0), 0)
    const minutes = (ms: number): string => (ms / 60_000).toFixed(2)
    console.log(
      [
        `${requests} requests of ${runMs} ms through ${n} × ${slots} slots, by ${route}`,
        `  ${minutes(outcome.simulatedMs)} minutes simulated, in ${(outcome.realMs / 1_000).toFixed(1)} s; n · run ÷ slots is ${minutes((requests * runMs) / (n * slots))}`,
        `  ran once: ${once(outcome.runs)}; answered once: ${once(outcome.answers)}; most that waited: ${outcome.mostWaiting}`,
        `  totals ${JSON.stringify(outcome.status.totals)}, exact at all ${outcome.looks} instants looked at`,
        `  by shard: ${outcome.status.shards.map(({ totals }) => totals.completed).join(', ')}`,
      ].join('\n'),
    )
  }
}
