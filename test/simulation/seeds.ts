/**
 * Schedules that have failed, as small as they can be: played with every test.
 *
 * What a seed stands for changes with the generator, so the schedule itself is kept, and the seed only says where it came
 * from.
 */
import type { Action, Arrive, Burst, Command, Options, Policies, Work } from './support/schedule.ts'

export interface Kept {
  readonly seed: number
  readonly was: string
  /** What has mended it, and in which commit. */
  readonly cure: string
  readonly commit: string
  /** The test that fails without the cure, where the schedule does not. */
  readonly test?: string
  readonly options: Options
  readonly policies?: Partial<Policies>
  readonly commands: readonly Command[]
}

const sleeps = (ms: number): Work => ({ kind: 'sleeps', ms, times: 1 })
const arrive = (tier: number, more: Partial<Arrive> & { readonly passMs?: number } = {}): Command => ({
  ...({ do: 'arrive', via: 'submit', tier, key: 0, work: sleeps(1_000), passMs: 0 } as const),
  ...more,
})
const burst = (
  count: number,
  more: Partial<Burst> & { readonly seed: number; readonly tiers: readonly number[] },
): Burst => ({
  ...({ do: 'burst', count, keys: 1, kinds: ['sleeps'], ms: 5, share: 1, hasHandles: true } as const),
  ...more,
})
const then = (action: Action, passMs = 0): Command => ({ ...action, passMs })
const [urgent, high, normal, low] = [0, 1, 2, 3]

export const kept: readonly Kept[] = [
  {
    seed: 10,
    was: 'one that is too heavy for the free slots leaves, and those behind it are not started',
    cure: 'whoever leaves the line has a dispatch scheduled',
    commit: '86ea909',
    options: { concurrency: 2 },
    commands: [arrive(normal), arrive(normal, { cost: 2, waitTimeoutMs: 50 }), arrive(normal, { passMs: 100 })],
  },
  {
    seed: 303,
    was: 'one that gets the priority of a free reserved slot is not started',
    cure: 'so has whoever moves',
    commit: '86ea909',
    options: { concurrency: 2, reserve: { urgent: 1 } },
    commands: [arrive(normal), arrive(low), then({ do: 'setPriority', which: 0, tier: urgent })],
  },
  {
    seed: 11_234,
    was: 'one call ends, two may start since what was reserved is resized, and only one is started',
    cure: 'after each start it is looked at who may have a slot now',
    commit: 'df67ecd',
    options: { concurrency: 3, reserve: { urgent: 1, low: 1 } },
    commands: [
      arrive(high, { work: sleeps(100) }),
      then({ do: 'resize', concurrency: 2 }),
      arrive(low),
      arrive(urgent, { passMs: 200 }),
    ],
  },
  {
    seed: 361,
    was: 'one that starts later displaces one with a slot promised, and more wait than may',
    cure: 'whoever starts later displaces another only if that gives room',
    commit: '86ea909',
    options: { concurrency: 2, maxQueueSize: 1, whenFull: 'shed' },
    commands: [
      arrive(normal, { delayMs: 100, passMs: -1 }),
      arrive(normal, { passMs: -1 }),
      arrive(high, { delayMs: 100 }),
    ],
  },
  {
    seed: 132,
    was: 'a substitute goes, and another slot that is stuck is not given one',
    cure: 'there are as many substitutes as slots are stuck, up to the cap, whichever these are',
    commit: '86ea909',
    options: { concurrency: 1, onStuck: 'replace', maxReplaced: 1, runTimeoutMs: 100 },
    commands: [
      arrive(normal, { work: sleeps(500), passMs: -1 }),
      arrive(normal, { work: { kind: 'never', ms: 1, times: 1 }, passMs: -1 }),
      arrive(normal, { passMs: 600 }),
    ],
  },
  {
    seed: 5_056,
    was: 'one that waits to start is cancelled, and nobody who is blocked comes in for it',
    cure: 'the blocked come in for one that was held as for one that waited',
    commit: '86ea909',
    options: { concurrency: 1, maxQueueSize: 1, whenFull: 'block' },
    commands: [
      arrive(normal),
      arrive(normal, { delayMs: 900 }),
      arrive(normal),
      then({ do: 'cancel', which: 1, by: 'handle' }),
    ],
  },
  {
    seed: 5_352,
    was: 'one that waits to start moves to a priority whose own bound is reached',
    cure: 'the bound of the new priority is asked for those who are held, too',
    commit: '86ea909',
    options: { concurrency: 1, maxQueueSize: { low: 1 } },
    commands: [
      arrive(normal),
      arrive(low),
      arrive(high, { delayMs: 500 }),
      then({ do: 'setPriority', which: 0, tier: low }),
    ],
  },
  {
    seed: 800,
    was: 'the time of one who is blocked comes while a slot is free, and it does not come in',
    cure: 'settled the other way: whoever starts later needs a place though a slot is free, also when its time has come',
    commit: '86ea909',
    options: { concurrency: 1, maxQueueSize: 1, whenFull: 'block' },
    commands: [arrive(normal, { delayMs: 900 }), arrive(normal, { delayMs: 100, passMs: 200 })],
  },
  {
    seed: 120_223,
    was: 'a newcomer gets the free slot, and passes one who is blocked behind another that starts later',
    cure: 'whoever starts later lets those pass who could do with a slot, and them only',
    commit: '65b4353',
    options: { concurrency: 1, maxQueueSize: 1, whenFull: 'block' },
    commands: [
      arrive(normal, { work: sleeps(100) }),
      arrive(low, { delayMs: 5_000 }),
      arrive(urgent, { delayMs: 5_000 }),
      arrive(normal, { passMs: 200 }),
      arrive(low, { passMs: 200 }),
    ],
  },
  {
    seed: 211_967,
    was: 'an abort makes room for a shared one that is blocked, and that all its callers leave by the same abort',
    cure: 'nobody comes in for whom nobody waits any more',
    commit: '470b8b8',
    // Between two who leave by one abort the model says nothing.
    test: 'test/core/settle/parties.test.ts',
    options: { concurrency: 4, maxQueueSize: 1, whenFull: 'block' },
    commands: [
      then({ do: 'pause' }, -1),
      arrive(normal, { signal: 2, passMs: -1 }),
      arrive(normal, { id: 1, signal: 2, passMs: -1 }),
      arrive(urgent, { id: 1, signal: 2 }),
      then({ do: 'abort', signal: 2 }),
    ],
  },
  {
    seed: 6_597,
    was: 'one that has moved starts although its time is over by the timeout of its new priority',
    cure: 'a request keeps the timeouts that it came with',
    commit: 'df67ecd',
    options: { concurrency: 1, timeoutMs: { normal: 2_000, low: 500 } },
    commands: [arrive(normal), arrive(normal), then({ do: 'setPriority', which: 0, tier: low }, 1_500)],
  },
  {
    seed: 761,
    was: 'a shared run whose first caller has left in time is called after its deadline',
    cure: 'its deadline is that of whoever still waits for it the longest',
    commit: 'df67ecd',
    options: { concurrency: 1 },
    commands: [arrive(normal), arrive(normal, { id: 1, timeoutMs: 500 }), arrive(normal, { id: 1, passMs: 1_500 })],
  },
  {
    seed: 12,
    was: 'one that is refused, and was to start after another, makes the failure of that one an unhandled rejection',
    cure: 'results are read only by who has been admitted',
    commit: 'df67ecd',
    options: { concurrency: 1, maxQueueSize: 1 },
    commands: [
      // The result of every fourth is not read.
      ...[1, 2, 3].map(() => arrive(normal, { work: { kind: 'returns', ms: 1, times: 1 } })),
      arrive(normal),
      arrive(normal),
      arrive(normal, { after: 1 }),
      then({ do: 'cancel', which: 1, by: 'handle' }),
    ],
  },
  {
    seed: 438_368,
    was: 'with weights, two leave before their turn, and one who comes then passes one of its own priority',
    cure: 'turns are the tier’s, and are taken at each start',
    commit: '6ccc818',
    options: { concurrency: 1 },
    policies: { order: 'weighted' },
    commands: [
      ...[normal, low, low, low].map((tier) => arrive(tier)),
      then({ do: 'cancel', which: 2, by: 'handle' }),
      then({ do: 'cancel', which: 1, by: 'handle' }),
      arrive(low, { passMs: 2_500 }),
    ],
  },
  {
    seed: 714_401,
    was: 'one with a slot promised leaves, and one that takes several slots does not count as waiting in its place',
    cure: 'promised slots are counted for those only who take one',
    commit: '35d6b3d',
    options: { concurrency: 3 },
    commands: [
      arrive(high, { passMs: -1 }),
      arrive(normal, { delayMs: 100, cost: 2, passMs: -1 }),
      then({ do: 'pause' }, 200),
      then({ do: 'cancel', which: 1, by: 'handle' }),
    ],
  },
  {
    seed: 739_197,
    was: 'one with a slot promised is displaced though one that takes several slots waits as well, and nobody finds room by that',
    cure: 'promised slots are counted for those only who take one',
    commit: '35d6b3d',
    options: { concurrency: 4, maxQueueSize: 1, whenFull: 'shed' },
    commands: [
      arrive(urgent, { delayMs: 100, cost: 3, passMs: 0 }),
      arrive(low, { passMs: -1 }),
      then({ do: 'pause' }, 200),
      arrive(normal),
    ],
  },
  {
    seed: 200,
    was: 'of the turns that a burst has brought, those that leave are not found, and others are cut out',
    cure: 'a block that is used up is found by identity',
    commit: 'b18742f',
    options: { concurrency: 1 },
    policies: { order: 'aging, deadlines' },
    commands: [then(burst(517, { seed: 2_110_984_952, tiers: [low], ms: 40, share: 0.95, hasHandles: false }), 1)],
  },
  {
    seed: 2_200,
    was: 'when requests of a key leave, a later one of it passes an earlier one that still waits',
    cure: 'the rank of the last one that waits is known, whoever leaves',
    commit: 'b18742f',
    options: { concurrency: 16 },
    policies: { order: 'fair' },
    commands: [
      then(burst(594, { seed: 1_851_540_846, tiers: [low], keys: 3, share: 0.1, delayMs: 30 }), 10),
      then({ do: 'each', does: 'cancel', from: 0.1, to: 1, every: 1, backwards: true, tiers: [low] }, -1),
    ],
  },
  {
    seed: 6_000_970,
    was: 'fewer slots than are reserved, set by hand: who has none of them never runs',
    cure: 'reserves give way to fewer slots, one at a time and the least urgent first',
    commit: 'c26d2ab',
    options: { concurrency: 4, reserve: { urgent: 2, low: 1 } },
    commands: [then({ do: 'resize', concurrency: 2 }), arrive(normal), arrive(low), arrive(urgent)],
  },
  {
    seed: 6_001_282,
    was: 'a slot is stuck, the other one is reserved: who has none of them never runs',
    cure: 'a slot that is stuck, and has no substitute, is one slot less for the reserves',
    commit: 'c26d2ab',
    options: { concurrency: 2, reserve: { urgent: 1 }, runTimeoutMs: 100 },
    commands: [
      arrive(low, { work: { kind: 'never', ms: 1, times: 1 }, passMs: 200 }),
      arrive(normal, { passMs: 2_000 }),
    ],
  },
  {
    seed: 40_060_374,
    was: 'one that is blocked and starts later is lifted to where nothing may wait, and never comes in',
    cure: 'it keeps its priority',
    commit: '7f9b376',
    options: {
      ...{ concurrency: 3, maxQueueSize: { total: 1, urgent: 'none', low: 5 } },
      ...{ whenFull: 'block', onDuplicate: 'join-by-id' },
    },
    commands: [
      then({ do: 'pause' }, -1),
      arrive(high, { via: 'execute', id: 1, key: 1, passMs: -1 }),
      arrive(normal, { via: 'execute', id: 0, after: 1, passMs: 901 }),
      arrive(urgent, { via: 'execute', id: 0, passMs: 1_235 }),
      then({ do: 'resume' }),
    ],
  },
  {
    seed: 560_787,
    was: 'two slots come free in one instant, one of them stuck until then: what came in for the first waits where nothing may',
    cure: 'whoever has come in has its slots, also when more are kept for others than when it came',
    commit: '8bda5a2',
    options: {
      ...{ concurrency: 4, maxQueueSize: 'none', whenFull: 'block' },
      reserve: { urgent: 1, high: 1, normal: 1, low: 1 },
    },
    commands: [
      arrive(high, { via: 'offer', work: { kind: 'hangs', ms: 1_365, times: 1 }, passMs: 0 }),
      arrive(normal, { work: { kind: 'never', ms: 1, times: 1 }, runTimeoutMs: 1_120, passMs: -1 }),
      arrive(high, { via: 'execute', work: { kind: 'sleeps', ms: 1_666, times: 1 }, passMs: 0 }),
      arrive(high, { work: { kind: 'sleeps', ms: 358, times: 1 }, passMs: 2_000 }),
    ],
  },
  {
    seed: 229_354,
    was: 'one that takes several slots is set aside for want of a token, and a newcomer gets the slot that the model keeps for it',
    cure: 'the model was wrong: who is set aside keeps no slot',
    commit: 'd5e4e2d',
    options: { concurrency: 2, maxQueueSize: { total: 2, high: 2, low: 1 }, whenFull: 'reject' },
    policies: { guards: ['waiting tokens'] },
    commands: [
      arrive(urgent, { key: 2, work: sleeps(14), passMs: 20 }),
      arrive(urgent, { key: 2, work: sleeps(1), passMs: 13 }),
      arrive(high, { key: 2, work: sleeps(4) }),
      arrive(low, { key: 2, cost: 2 }),
      arrive(high, { key: 2, work: { kind: 'resolves', ms: 1, times: 1 }, passMs: 2 }),
      arrive(normal, { key: 1, passMs: -1 }),
      arrive(high, { key: 1, passMs: 10 }),
    ],
  },
  {
    seed: 109_099,
    was: 'one is displaced as those end that another waits for: the model says that it is unsure, and is believed once more',
    cure: 'what is done next is not held against a model that is unsure',
    commit: 'd5e4e2d',
    options: { concurrency: 3, maxQueueSize: 1 },
    commands: [
      arrive(low, { via: 'execute', id: 1, key: 1, passMs: -1 }),
      arrive(urgent, { id: 1, key: 1, passMs: -1 }),
      arrive(urgent, { via: 'execute', key: 1, passMs: -1 }),
      arrive(low, { via: 'offer', after: 3, passMs: -1 }),
      then({ do: 'cancel', which: 10, by: 'id' }, -1),
      arrive(low, { id: 1, key: 1, delayMs: 1_748, passMs: -1 }),
      then({ do: 'cancel', which: 0, by: 'id' }, 300),
    ],
  },
  {
    seed: 8_018_726,
    was: 'one whose token has come is displaced by one behind it, since only the first of its key stands again',
    cure: 'those that would make room, and have their tokens by now, stand in the queue again',
    commit: 'd44778c',
    options: { concurrency: 2, maxQueueSize: 2, maxRetrying: 1 },
    policies: { guards: ['waiting tokens'], order: 'oldest', retryMs: 223 },
    commands: [
      arrive(normal, { via: 'offer', key: 2, work: sleeps(523), passMs: 291 }),
      arrive(normal, { work: { kind: 'throws', ms: 1, times: 2 }, passMs: -1 }),
      arrive(high, { work: { kind: 'throws', ms: 1, times: 2 }, passMs: 439 }),
      arrive(normal, { work: sleeps(3_597), passMs: -1 }),
      arrive(low, { work: sleeps(1_991), passMs: -1 }),
      arrive(low, { passMs: -1 }),
      arrive(low, { key: 1, work: sleeps(1_461), passMs: 1_117 }),
      arrive(high, { key: 1, work: sleeps(790), passMs: 370 }),
    ],
  },
  {
    seed: 7_006_388,
    was: 'more of a priority wait than may, since its bound was lowered: one is shed, and the newcomer is refused as well',
    cure: 'one for one is no more than there were, for the bound of a priority, too',
    commit: '7eacfff',
    options: { concurrency: 1 },
    policies: { order: 'last in' },
    commands: [
      arrive(high, { passMs: 100 }),
      arrive(urgent, { passMs: 100 }),
      arrive(urgent, { passMs: 100 }),
      then({ do: 'update', bounds: { maxQueueSize: { total: 4, urgent: 1, high: 1 } } }, 100),
      arrive(urgent),
    ],
  },
  {
    seed: 7_001_260,
    was: 'more wait than may, since the bound was lowered, and one that takes several slots displaces nobody',
    cure: 'it displaces one, as others do',
    commit: '7eacfff',
    options: { concurrency: 4 },
    commands: [
      then({ do: 'pause' }, 100),
      arrive(low, { passMs: 100 }),
      arrive(normal, { passMs: 100 }),
      then({ do: 'update', bounds: { maxQueueSize: 1 } }, 100),
      arrive(normal, { cost: 3 }),
    ],
  },
  {
    seed: 901_902,
    was: 'the clock answers NaN as a request comes to an idle executor, and its time is 0',
    cure: 'it is what it was before',
    commit: '2c5212a',
    test: 'test/core/timeline-and-alarm.test.ts',
    options: { concurrency: 1, debug: true },
    commands: [arrive(normal, { work: sleeps(10), passMs: 1_045 }), arrive(normal, { passMs: 100 })],
  },
]
