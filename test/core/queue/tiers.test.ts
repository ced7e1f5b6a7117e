/**
 * The order of all that waits, and what an order policy is asked and told.
 */
import { describe, expect, test } from 'vitest'
import { type OrderPolicy, type OrderQuestion, strict } from '../../../src/core/queue/order.ts'
import { weighted } from '../../../src/core/queue/orders/weighted.ts'
import { type QueueEntry, Tiers } from '../../../src/core/queue/tiers.ts'

class Entry implements QueueEntry {
  rank = 0
  sequence = 0
  block: QueueEntry['block'] = undefined
  readonly request: string
  tier: number
  timedFrom: number
  metadata?: unknown
  waitUntil?: number
  cost?: number
  attempt?: number

  constructor(request: string, tier: number, timedFrom = 0) {
    this.request = request
    this.tier = tier
    this.timedFrom = timedFrom
  }
}

/** Entries in the tiers that their names say, `'u1'` in that of urgent, added in this order. */
function added(tiers: Tiers<Entry>, ...names: string[]): Entry[] {
  return names.map((name) => {
    const entry = new Entry(name, 'uhnl'.indexOf(name.charAt(0)))
    tiers.add(entry)
    return entry
  })
}

/** How many would go before a newcomer that is behind all of its tier. */
function countAhead(tiers: Tiers<Entry>, tier: number): number {
  const place = { tier, timedFrom: 0, rank: Number.POSITIVE_INFINITY, sequence: Number.POSITIVE_INFINITY }
  return tiers.countsBefore(place).reduce((sum, count) => sum + count, 0)
}

/** Who would make room for a newcomer. */
const lastBehind = (tiers: Tiers<Entry>, tier: number, rank = Number.POSITIVE_INFINITY, skips = (_: number) => false) =>
  tiers.lastBehind({ tier, rank, timedFrom: 0 }, skips)?.request

const names = (entries: Iterable<Entry>) => [...entries].map(({ request }) => request)
const drained = (tiers: Tiers<Entry>) => {
  const entries: Entry[] = []
  for (let entry = tiers.shift(); entry !== undefined; entry = tiers.shift()) entries.push(entry)
  return names(entries)
}

/** Ranks out of a table; with everything that it was asked and told. */
function scripted(ranks: { [request: string]: unknown }, acrossTiers = true) {
  const told: unknown[] = []
  const policy: OrderPolicy = {
    name: 'scripted',
    acrossTiers,
    rank: (question) => {
      told.push(['rank', { ...question }])
      return (ranks[`${question.request} ${question.tier}`] ?? ranks[question.request as string]) as number
    },
    started: ({ request, tier }, rank) => told.push(['started', request, tier, rank]),
    left: ({ request, tier }, rank) => told.push(['left', request, tier, rank]),
    settled: ({ request, tier }, rank, runMs) => told.push(['settled', request, tier, rank, runMs]),
  }
  return { policy, told }
}

describe('tier by tier', () => {
  test('an upper tier goes first, and within one the first that came', () => {
    const tiers = new Tiers<Entry>()
    added(tiers, 'n1', 'l1', 'u1', 'n2', 'h1', 'u2')
    expect(tiers.size).toBe(6)
    expect([0, 1, 2, 3].map((tier) => tiers.sizeAt(tier))).toEqual([2, 1, 2, 1])
    expect(tiers.sizes()).toEqual({ urgent: 2, high: 1, normal: 2, low: 1 })
    expect(names(tiers.entries())).toEqual(['u1', 'u2', 'h1', 'n1', 'n2', 'l1'])
    expect(tiers.head()?.request).toBe('u1')
    expect(drained(tiers)).toEqual(['u1', 'u2', 'h1', 'n1', 'n2', 'l1'])
    expect(tiers.size).toBe(0)
    expect(tiers.head()).toBeUndefined()
    expect(tiers.shift()).toBeUndefined()
    expect(tiers.size).toBe(0)
  })

  test('ranks decide within a tier only', () => {
    const tiers = new Tiers<Entry>(scripted({ n1: 5, n2: 3, n3: 3, l1: 1 }, false).policy)
    const [n1, n2, , l1] = added(tiers, 'n1', 'n2', 'n3', 'l1') as [Entry, Entry, Entry, Entry]
    expect(tiers.goesBefore(n1, l1)).toBe(true)
    expect(tiers.goesBefore(l1, n1)).toBe(false)
    expect(tiers.goesBefore(n1, n2)).toBe(false)
    expect([n1, n2, l1].map((entry) => tiers.countBefore(entry))).toEqual([2, 0, 3])
    expect([0, 1, 2, 3].map((tier) => countAhead(tiers, tier))).toEqual([0, 0, 3, 4])
    expect(drained(tiers)).toEqual(['n2', 'n3', 'n1', 'l1'])
  })

  test('what is shed is the youngest of the lowest tier below; the first of a tier is known', () => {
    const tiers = new Tiers<Entry>()
    added(tiers, 'h1', 'n1', 'n2', 'u1')
    expect([0, 1, 2, 3].map((tier) => lastBehind(tiers, tier))).toEqual(['n2', 'n2', undefined, undefined])
    expect([0, 1, 2, 3].map((tier) => tiers.firstAt(tier)?.request)).toEqual(['u1', 'h1', 'n1', undefined])
  })

  test('one that has come back for another attempt is not shed: the one before it is, or one of another tier', () => {
    const tiers = new Tiers<Entry>()
    const [, l1, l2] = added(tiers, 'n1', 'l1', 'l2') as [Entry, Entry, Entry]
    l1.attempt = 1
    l2.attempt = 2
    expect(lastBehind(tiers, 0)).toBe('l1')
    tiers.delete(l1)
    expect(lastBehind(tiers, 0)).toBe('n1')
  })

  test('one that has left comes back to its own place', () => {
    const tiers = new Tiers<Entry>()
    const [, n2] = added(tiers, 'n1', 'n2', 'n3') as [Entry, Entry, Entry]
    tiers.delete(n2)
    expect([tiers.size, tiers.sizeAt(2)]).toEqual([2, 2])
    tiers.addAgain(n2)
    expect(tiers.size).toBe(3)
    expect(drained(tiers)).toEqual(['n1', 'n2', 'n3'])
  })

  test('one that moves stands where it would have stood, also while it stands nowhere', () => {
    const tiers = new Tiers<Entry>()
    const [n1, , , away] = added(tiers, 'n1', 'n2', 'l1', 'l2') as [Entry, Entry, Entry, Entry]
    tiers.move(n1, 3, 0)
    tiers.move(n1, 3, 0)
    tiers.delete(away)
    tiers.move(away, 0, 0)
    expect(tiers.size).toBe(3)
    expect(away).toMatchObject({ tier: 0, block: undefined })
    expect(names(tiers.entries())).toEqual(['n2', 'n1', 'l1'])
    tiers.addAgain(away)
    expect(drained(tiers)).toEqual(['l2', 'n2', 'n1', 'l1'])
  })
})

describe('across tiers', () => {
  test('the smallest rank goes first, of equals the first that came', () => {
    const tiers = new Tiers<Entry>(scripted({ u1: 7, n1: 5, l1: 5, l2: 1, h1: 9 }).policy)
    const [u1, n1, l1, l2] = added(tiers, 'u1', 'n1', 'l1', 'l2', 'h1') as [Entry, Entry, Entry, Entry]
    expect(tiers.head()).toBe(l2)
    expect(tiers.goesBefore(n1, u1)).toBe(true)
    expect(tiers.goesBefore(u1, n1)).toBe(false)
    expect(tiers.goesBefore(n1, l1)).toBe(true)
    expect(tiers.goesBefore(l1, n1)).toBe(false)
    expect([u1, n1, l1, l2].map((entry) => tiers.countBefore(entry))).toEqual([3, 1, 2, 0])
    expect(countAhead(tiers, 0)).toBe(5)
    expect(drained(tiers)).toEqual(['l2', 'n1', 'l1', 'u1', 'h1'])
  })

  test('of two whose turns come at once the upper tier goes first, else the earlier turn', () => {
    const tiers = new Tiers<Entry>(weighted({ urgent: 1, low: 1 }))
    const [u1, l1] = added(tiers, 'u1', 'l1', 'u2') as [Entry, Entry]
    expect([tiers.goesBefore(u1, l1), tiers.goesBefore(l1, u1)]).toEqual([true, false])
    expect(tiers.shift()).toBe(u1)
    const u2 = tiers.firstAt(0) as Entry
    expect([tiers.goesBefore(u2, l1), tiers.goesBefore(l1, u2)]).toEqual([false, true])
  })

  test.each([[Number.NaN], [undefined], ['1'], [null]])('what is no number ranks last: %j', (rank) => {
    const tiers = new Tiers<Entry>(scripted({ n1: rank, n2: 5, n3: Number.NEGATIVE_INFINITY }).policy)
    const [n1] = added(tiers, 'n1', 'n2', 'n3')
    expect(n1?.rank).toBe(Number.POSITIVE_INFINITY)
    expect(drained(tiers)).toEqual(['n3', 'n2', 'n1'])
  })
})

describe('an order policy', () => {
  test('is asked with what it may look at, and keeps nothing of it', () => {
    const { policy, told } = scripted({ n1: 5, n2: 6 })
    let kept: { request: unknown; metadata: unknown } | undefined
    const tiers = new Tiers<Entry>({
      ...policy,
      rank: (question) => {
        kept = question
        return policy.rank(question)
      },
    })
    const entry = Object.assign(new Entry('n1', 2, 40), { metadata: 'm', waitUntil: 90, cost: 3 })
    tiers.add(entry)
    tiers.add(new Entry('n2', 2, 50))
    expect(told).toEqual([
      [
        'rank',
        { tier: 2, sequence: 1, admittedAt: 40, deadline: 90, attempt: 1, cost: 3, request: 'n1', metadata: 'm' },
      ],
      [
        'rank',
        {
          tier: 2,
          sequence: 2,
          admittedAt: 50,
          deadline: Number.POSITIVE_INFINITY,
          attempt: 1,
          cost: 1,
          request: 'n2',
          metadata: undefined,
        },
      ],
    ])
    expect(kept).toMatchObject({ request: undefined, metadata: undefined })
  })

  test('is asked again for another tier, with the time that it is given, and told that the old rank has left', () => {
    const { policy, told } = scripted({ 'n1 2': 5, 'n1 0': 2 })
    const tiers = new Tiers<Entry>(policy)
    const [entry] = added(tiers, 'n1') as [Entry]
    told.length = 0
    tiers.move(entry, 0, 77)
    expect(entry).toMatchObject({ tier: 0, rank: 2, sequence: 1 })
    expect(told).toEqual([
      ['rank', expect.objectContaining({ tier: 0, sequence: 1, admittedAt: 77 })],
      ['left', 'n1', 2, 5],
    ])
    tiers.move(entry, 0, 99)
    expect(told).toHaveLength(2)
  })

  test('is told of starts, ends and leavings, with the rank', () => {
    const { policy, told } = scripted({ n1: 5 })
    const tiers = new Tiers<Entry>(policy)
    const [entry] = added(tiers, 'n1') as [Entry]
    told.length = 0
    tiers.started(entry)
    tiers.settled(entry, 30)
    tiers.left(entry)
    expect(told).toEqual([
      ['started', 'n1', 2, 5],
      ['settled', 'n1', 2, 5, 30],
      ['left', 'n1', 2, 5],
    ])
  })

  test('is strict by default: it has a name, and its rank is the sequence', () => {
    expect(strict()).toMatchObject({ name: 'strict', acrossTiers: false })
    expect(strict().rank({ sequence: 7 } as OrderQuestion)).toBe(7)
  })

  test('need not want to hear of anything', () => {
    const tiers = new Tiers<Entry>(strict())
    const [entry] = added(tiers, 'n1') as [Entry]
    tiers.started(entry)
    tiers.settled(entry, 30)
    tiers.left(entry)
    expect(drained(tiers)).toEqual(['n1'])
  })

  test('that throws when it is asked loses nothing', () => {
    const tiers = new Tiers<Entry>({
      name: 'throws',
      acrossTiers: false,
      rank: ({ tier, sequence }) => {
        if (tier === 3) throw new Error('no low')
        return sequence
      },
    })
    const [n1] = added(tiers, 'n1') as [Entry]
    expect(() => added(tiers, 'l1')).toThrow('no low')
    expect(() => tiers.move(n1, 3, 0)).toThrow('no low')
    expect(tiers.size).toBe(1)
    expect(drained(tiers)).toEqual(['n1'])
  })

  test('that throws when it is told is reported to whoever wants to know, else to the caller', () => {
    const thrown = new Error('told')
    const policy: OrderPolicy = {
      name: 'throws',
      acrossTiers: false,
      rank: () => 0,
      started: () => {
        throw thrown
      },
    }
    const reported: unknown[] = []
    const [entry] = [new Entry('n1', 2)]
    new Tiers<Entry>(policy, (error) => reported.push(error)).started(entry)
    expect(reported).toEqual([thrown])
    expect(() => new Tiers<Entry>(policy).started(entry)).toThrow(thrown)
  })
})

test('where tiers take turns, as large a part of those that are set aside goes before as of those that stand', () => {
  const tiers = new Tiers<Entry>(weighted({ urgent: 2, high: 1, normal: 1, low: 1 }))
  // Turns of urgent: 1, 2; of normal: 2, 4; of low: 2.
  const [u1, u2, n1, n2, n3, n4, l1] = added(tiers, 'u1', 'u2', 'n1', 'n2', 'n3', 'n4', 'l1') as Entry[]
  for (const entry of [n1, n2] as Entry[]) tiers.setAside(entry)
  expect([u1, u2].map((entry) => tiers.countBefore(entry as Entry))).toEqual([0, 1])
  // Of the normal ones that stand, half has its turn before.
  expect(tiers.countBefore(l1 as Entry)).toBe(4)
  for (const entry of [n3, n4] as Entry[]) tiers.setAside(entry)
  expect(tiers.countBefore(l1 as Entry)).toBe(6)
})
