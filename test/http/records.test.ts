/** The books of a service: what lives, and what has ended, against plain arrays; and an end that many wait for. */
import type { Priority } from 'triage-queue'
import { expect, test, vi } from 'vitest'
import { unknownIdentity } from '../../src/http/identity.ts'
import { type Live, LiveRequests } from '../../src/http/live-requests.ts'
import { type Ended, type EndedState, endedStates, RecentEnds } from '../../src/http/recent-ends.ts'
import { settled } from '../../src/http/settled.ts'
import { seeded } from '../support/seeded.ts'

const tiers: readonly Priority[] = ['urgent', 'high', 'normal', 'low']
const states = ['waiting', 'running', 'retrying'] as const

test('what lives is what a plain array says, whatever comes, moves and goes, page by page', () => {
  for (let seed = 0; seed < 30; seed++) {
    const random = seeded(seed)
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T
    const books = new LiveRequests()
    const model: Live[] = []
    for (let n = 1; n <= 2_500; n++) {
      const chance = random()
      if (chance < 0.6 || model.length === 0) {
        const priority = pick(tiers)
        const live: Live = {
          ...{ id: `${n % 3}-${n}`, generation: n, key: undefined, priority, state: 'waiting', submittedAt: n },
          ...{ startedAt: undefined, waitMs: undefined, attempts: 0, identity: unknownIdentity },
        }
        books.add(live)
        model.push(live)
      } else if (chance < 0.75) books.becomes(pick(model).id, pick(states))
      else if (chance < 0.85) books.moves(pick(model).id, pick(tiers))
      else {
        const gone = pick(model)
        expect(books.delete(gone.id)).toBe(gone)
        model.splice(model.indexOf(gone), 1)
      }
    }
    expect(books.size).toBe(model.length)
    for (const [wanted, priority, id] of [
      [new Set(states), undefined, undefined],
      [new Set(['waiting'] as const), 'low', undefined],
      [new Set(['running', 'retrying'] as const), undefined, undefined],
      [new Set(states), undefined, '1-'],
    ] as [Set<Live['state']>, Priority | undefined, string | undefined][]) {
      const expected = model
        .filter(
          (live) =>
            wanted.has(live.state) && (priority ?? live.priority) === live.priority && live.id.startsWith(id ?? ''),
        )
        .sort((a, b) => b.generation - a.generation)
      const found: Live[] = []
      let before: number | undefined = Number.MAX_SAFE_INTEGER
      while (before !== undefined) {
        const page = books.list({ states: wanted, priority, id, before, limit: 37 })
        expect(page.found.length).toBeLessThanOrEqual(37)
        found.push(...page.found)
        before = page.next
      }
      expect(found).toEqual(expected)
    }
  }
})

function ended(n: number, state: EndedState, id = `r${n}`): Ended {
  return {
    ...{
      id,
      generation: n,
      key: undefined,
      state,
      priority: tiers[n % 4] as Priority,
      submittedAt: n,
      startedAt: n,
      endedAt: Date.now(),
    },
    ...{ waitMs: 0, runMs: 0, attempts: 1, result: n, error: state === 'dead' ? new TypeError('no') : undefined },
    ...{ request: n, metadata: undefined, options: undefined, identity: unknownIdentity },
  }
}

test('the last ends are kept, so many of dead letters and of others, and no longer than so long; counts and pages agree', () => {
  vi.useFakeTimers({ now: 0 })
  const ends = new RecentEnds({ count: 100, ageMs: 1_000 })
  const random = seeded(3)
  let model: Ended[] = []
  for (let n = 1; n <= 5_000; n++) {
    const one = ended(n, endedStates[n % 5] as EndedState, `r${Math.floor(random() * 400)}`)
    ends.add(one)
    model = [...model.filter(({ id }) => id !== one.id), one]
    // Dead letters are kept apart from all others.
    const alike = model.filter(({ state }) => (state === 'dead') === (one.state === 'dead'))
    if (alike.length > 100) model = model.filter((each) => each !== alike[0])
    if (n % 7 === 0) {
      const gone = model[Math.floor(random() * model.length)] as Ended
      expect(ends.delete(gone.id)).toBe(true)
      model = model.filter((each) => each !== gone)
    }
  }
  const all = { states: new Set(endedStates), priority: undefined, id: undefined, error: undefined }
  const found: Ended[] = []
  for (let before: number | undefined = Number.MAX_SAFE_INTEGER; before !== undefined; ) {
    const page = ends.list({ ...all, before, limit: 7 })
    found.push(...page.found)
    before = page.next
  }
  expect(found).toEqual(model.toReversed())
  expect(Object.values(ends.stats()).reduce((sum, count) => sum + count, 0)).toBe(model.length)
  const dead = ends.list({ ...all, error: 'TypeError', before: Number.MAX_SAFE_INTEGER, limit: 1_000 }).found
  expect(dead).toEqual(model.filter(({ state }) => state === 'dead').toReversed())
  vi.advanceTimersByTime(1_001)
  expect(ends.find(model[0]?.id as string)).toBeUndefined()
  expect(Object.values(ends.stats())).toEqual([0, 0, 0, 0, 0])
  vi.useRealTimers()
})

test('an end that is polled ten thousand times has one reaction, and tells all who still wait', async () => {
  let resolve: (value: unknown) => void = () => {}
  const end = new Promise((fulfil) => {
    resolve = fulfil
  })
  const then = vi.spyOn(end, 'then')
  const { signal } = new AbortController()
  for (let n = 0; n < 100; n++) {
    const polls = Array.from({ length: 100 }, () => settled(end, 0, signal, signal))
    expect(new Set((await Promise.all(polls)).map(({ as }) => as))).toEqual(new Set(['time']))
  }
  const waits = [settled(end, 60_000, signal, signal), settled(end, 60_000, signal, signal)]
  resolve('done')
  expect(await Promise.all(waits)).toEqual([
    { as: 'completed', value: 'done' },
    { as: 'completed', value: 'done' },
  ])
  expect(then).toHaveBeenCalledTimes(1)
})
