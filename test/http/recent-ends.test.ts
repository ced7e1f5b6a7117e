/** What is kept in memory of those that have ended. */
import { afterEach, expect, test, vi } from 'vitest'
import { type Ended, type EndedState, endedStates, RecentEnds } from '../../src/http/recent-ends.ts'

afterEach(() => void vi.useRealTimers())

const ended = (id: string, state: EndedState, more: Partial<Ended> = {}): Ended => ({
  ...{
    id,
    state,
    key: undefined,
    generation: 1,
    priority: 'normal',
    submittedAt: 0,
    startedAt: 0,
    endedAt: Date.now(),
    waitMs: 0,
  },
  ...{ runMs: 0, attempts: 1, result: undefined, error: undefined, request: undefined, metadata: undefined },
  ...{ options: undefined, identity: {} as Ended['identity'] },
  ...more,
})

const all = { states: new Set(endedStates), priority: undefined, id: undefined, error: undefined }

/** Every page. */
function listed(ends: RecentEnds, limit: number, query: object = {}): string[] {
  const ids: string[] = []
  for (let before: number | undefined = Number.MAX_SAFE_INTEGER; before !== undefined; ) {
    const page = ends.list({ ...all, ...query, before, limit })
    ids.push(...page.found.map(({ id }) => id))
    before = page.next
  }
  return ids
}

test('dead letters are pushed out by dead letters alone, and all others by others', () => {
  const ends = new RecentEnds({ count: 3, ageMs: 1e9 })
  for (let i = 0; i < 4; i++) ends.add(ended(`dead ${i}`, 'dead'))
  for (let i = 0; i < 5_000; i++) ends.add(ended(`${i}`, i % 2 === 0 ? 'completed' : 'shed'))
  expect(ends.stats()).toEqual({ dead: 3, completed: 1, shed: 2, expired: 0, cancelled: 0 })
  expect(listed(ends, 2)).toEqual(['4999', '4998', '4997', 'dead 3', 'dead 2', 'dead 1'])
  expect(ends.find('dead 0')).toBeUndefined()
  expect(ends.find('dead 1')?.state).toBe('dead')
})

test('pages go on where the last one has ended, whatever comes and goes meanwhile', () => {
  const ends = new RecentEnds({ count: 10, ageMs: 1e9 })
  for (let i = 0; i < 12; i++) ends.add(ended(`${i}`, i % 3 === 0 ? 'dead' : 'completed'))
  const first = ends.list({ ...all, before: Number.MAX_SAFE_INTEGER, limit: 4 })
  expect(first.found.map(({ id }) => id)).toEqual(['11', '10', '9', '8'])
  ends.delete('7')
  ends.delete('6')
  ends.add(ended('new', 'dead'))
  const second = ends.list({ ...all, before: first.next as number, limit: 4 })
  expect(second.found.map(({ id }) => id)).toEqual(['5', '4', '3', '2'])
  expect(listed(ends, 3, { states: new Set(['dead']) })).toEqual(['new', '9', '3', '0'])
})

test('another end of an id takes the place of the one before', () => {
  const ends = new RecentEnds({ count: 10, ageMs: 1e9 })
  ends.add(ended('a', 'dead'))
  ends.add(ended('b', 'completed'))
  ends.add(ended('a', 'completed', { generation: 2 }))
  expect(ends.stats()).toMatchObject({ dead: 0, completed: 2 })
  expect(listed(ends, 10)).toEqual(['a', 'b'])
  expect([ends.delete('a'), ends.delete('a')]).toEqual([true, false])
})

test('what is too old goes, of each kind', () => {
  vi.useFakeTimers()
  const ends = new RecentEnds({ count: 10_000, ageMs: 1_000 })
  for (let i = 0; i < 3_000; i++) ends.add(ended(`${i}`, i % 2 === 0 ? 'dead' : 'expired'))
  vi.advanceTimersByTime(999)
  ends.add(ended('last', 'cancelled'))
  expect(ends.stats()).toMatchObject({ dead: 1_500, expired: 1_500, cancelled: 1 })
  vi.advanceTimersByTime(1)
  expect(ends.stats()).toMatchObject({ dead: 0, expired: 0, cancelled: 1 })
  expect(listed(ends, 5)).toEqual(['last'])
})
