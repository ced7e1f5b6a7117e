/**
 * Law 12, progress: once what runs has been answered, whatever may start does start within a bounded time. No combination of
 * options, limits and reserves leaves a free slot beside a request that may have it for ever.
 */
import fc from 'fast-check'
import {
  aging,
  backoff,
  fairBy,
  type LimitPolicy,
  priorities,
  QueuedExecutor,
  type QueuedExecutorOptions,
  tokenBucket,
} from 'triage-queue'
import { VirtualClock } from 'triage-queue/simulation'
import { expect, test } from 'vitest'
import { PATIENCE_MS } from './support/holds.ts'

/** Nothing takes longer than its run, its backoff, its delay and the tokens of those before it. */
const BOUND_MS = 60_000

const floors = fc.tuple(...priorities.map(() => fc.integer({ min: 0, max: 2 })))
const tier = fc.nat(3)
const change = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('resize' as const), to: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('pause' as const, 'resume' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('ready' as const), tier }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('move' as const), which: fc.nat(9), tier }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), which: fc.nat(9) }) },
)
const arrival = fc.record({
  do: fc.constant('arrive' as const),
  tier,
  cost: fc.constantFrom(1, 1, 1, 2, 3),
  ms: fc.nat(20),
  failures: fc.nat(2),
  delayMs: fc.constantFrom(undefined, undefined, 15),
  isAfter: fc.constantFrom(false, false, true),
})
const situation = fc.record({
  floors,
  spare: fc.nat(2),
  lendReserve: fc.boolean(),
  limit: fc.constantFrom('none' as const, 'none' as const, 'falls' as const, 'wanders' as const),
  whenFull: fc.constantFrom('reject' as const, 'block' as const, 'shed' as const),
  maxQueueSize: fc.constantFrom(0, 2, 6),
  order: fc.constantFrom('strict' as const, 'aging' as const, 'fair' as const),
  runTimeoutMs: fc.constantFrom(10, 1_000),
  onStuck: fc.constantFrom('hold' as const, 'replace' as const),
  tokens: fc.boolean(),
  steps: fc.array(fc.tuple(fc.oneof({ weight: 3, arbitrary: arrival }, { weight: 1, arbitrary: change }), fc.nat(6)), {
    minLength: 3,
    maxLength: 40,
    size: 'max',
  }),
})
type Situation = typeof situation extends fc.Arbitrary<infer S> ? S : never

/** The limit goes down with each answer, or up and down. */
function limitOf(kind: Situation['limit'], initial: number): LimitPolicy | undefined {
  if (kind === 'none') return undefined
  let answers = 0
  const sample = () => (kind === 'falls' ? Math.max(initial - ++answers, 1) : 1 + (++answers % initial))
  return { name: kind, initial, sample }
}

function optionsOf({ floors, spare, lendReserve, limit, order, tokens, ...others }: Situation) {
  const sum = floors.reduce((all, floor) => all + floor, 0)
  const isLegal = lendReserve || !floors.includes(0)
  const concurrency = Math.max(sum + (isLegal ? spare : spare + 1), 1)
  const { whenFull, maxQueueSize, runTimeoutMs, onStuck } = others
  const learned = limitOf(limit, concurrency)
  return {
    ...{ whenFull, maxQueueSize, runTimeoutMs, onStuck, lendReserve },
    reserve: Object.fromEntries(priorities.map((priority, t) => [priority, floors[t]])),
    ...(learned === undefined ? { concurrency } : { limit: learned }),
    ...(order === 'aging' && { order: aging({ high: 10, normal: 20, low: 30 }) }),
    ...(order === 'fair' && { order: fairBy((ms) => `${ms}`) }),
    ...(tokens && { rateLimit: tokenBucket({ perSecond: 50, burst: 2, over: 'wait' }) }),
    retry: backoff({ attempts: 3, baseMs: 5, retryIf: () => true }),
  } as QueuedExecutorOptions<number>
}

test(
  'all that was let in comes through, whatever is reserved, learned, resized, paused, tried again or stuck',
  async () => {
    await fc.assert(
      fc.asyncProperty(situation, async (chosen) => {
        const clock = new VirtualClock()
        const failuresOf = new Map<unknown, number>()
        const queue = new QueuedExecutor<number, number>(
          async (ms, { metadata }) => {
            await clock.sleep(ms)
            const left = failuresOf.get(metadata) as number
            failuresOf.set(metadata, left - 1)
            if (left > 0) throw new Error('once more')
            return ms
          },
          { ...optionsOf(chosen), clock, random: () => 0.5 },
        )
        const open = new Map<string, Promise<unknown>>()
        const hand = (name: string, promise: Promise<unknown>): void => {
          const settled = (): void => void open.delete(name)
          open.set(name, promise)
          promise.then(settled, settled)
        }
        for (const [n, [step, passMs]] of chosen.steps.entries()) {
          const id = (which: number) => `request ${n - which}`
          const name = `request ${n}`
          if (step.do === 'arrive') {
            const { cost, delayMs, isAfter, failures, tier, ms } = step
            const last = isAfter ? queue.get(id(1)) : undefined
            // One that is blocked need not come in while those that wait for it have all the room.
            const before = last?.state === 'blocked' ? undefined : last
            failuresOf.set(n, failures)
            const options = {
              ...{ id: name, metadata: n, cost, priority: priorities[tier] as 'low' },
              ...(delayMs !== undefined && { delayMs }),
              ...(before !== undefined && { after: [before] }),
            }
            hand(name, queue.execute(ms, options))
          } else if (step.do === 'resize') queue.concurrency = step.to
          else if (step.do === 'ready') hand(`ready ${n}`, queue.ready(priorities[step.tier] as 'low'))
          else if (step.do === 'move') queue.get(id(step.which))?.setPriority(priorities[step.tier] as 'low')
          else if (step.do === 'cancel') queue.cancel(id(step.which))
          else queue[step.do]()
          await clock.advance(passMs)
        }
        hand('idle', queue.idle())
        queue.resume()
        await clock.advance(BOUND_MS)
        expect([...open.keys()]).toEqual([])
      }),
      { numRuns: 600 },
    )
  },
  PATIENCE_MS,
)

test('what hangs is answered, and then whatever may start has started, at that very instant', async () => {
  await fc.assert(
    fc.asyncProperty(
      floors,
      fc.boolean(),
      fc.integer({ min: 1, max: 9 }),
      fc.array(tier),
      async (kept, lends, to, tiers) => {
        const clock = new VirtualClock()
        const letGo: (() => void)[] = []
        const reserve = Object.fromEntries(priorities.map((priority, t) => [priority, kept[t]]))
        const concurrency = kept.reduce((sum, floor) => sum + floor, 1)
        const queue = new QueuedExecutor(() => new Promise<void>((resolve) => letGo.push(resolve)), {
          ...{ clock, concurrency, reserve, lendReserve: lends },
        })
        for (const t of tiers) void queue.execute(t, { priority: priorities[t] as 'low' })
        queue.concurrency = to
        await clock.settle()
        for (let waves = 0; letGo.length > 0; waves++) {
          expect(waves).toBeLessThanOrEqual(tiers.length)
          for (const go of letGo.splice(0)) go()
          await clock.settle()
        }
        expect(queue.getStatus()).toMatchObject({ waiting: 0, running: 0, totals: { completed: tiers.length } })
      },
    ),
    { numRuns: 400 },
  )
})
