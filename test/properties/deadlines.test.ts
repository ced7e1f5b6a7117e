/**
 * All deadlines in one line, against an array that is sorted at each look.
 */
import fc from 'fast-check'
import { expect } from 'vitest'
import { type Deadline, Deadlines } from '../../src/core/queue/deadlines.ts'
import { agrees, command } from './support/commands.ts'

interface Entry {
  readonly n: number
  readonly dueAt: number
  readonly deadline: Deadline<number>
}

interface Model {
  entries: Entry[]
  /** All there ever were, for clearing one twice. */
  readonly all: Entry[]
}

type Real = Deadlines<number>

const sorted = (entries: Entry[]): Entry[] => entries.toSorted((a, b) => a.dueAt - b.dueAt || a.n - b.n)

function add(model: Model, real: Real, dueAt: number): void {
  const n = model.all.length
  const entry = { n, dueAt, deadline: real.set(n, dueAt) }
  model.entries.push(entry)
  model.all.push(entry)
}

const dueAt = fc.oneof(fc.nat(20), fc.double({ min: 0, max: 20, noNaN: true }), fc.constant(Number.POSITIVE_INFINITY))

const commands = [
  dueAt.map((at) => command<Model, Real>(`set(${at})`, (model, real) => add(model, real, at))),
  // So many that the line has several blocks: with the same timeout each, or one that falls.
  fc.tuple(fc.integer({ min: 100, max: 900 }), fc.constantFrom(0.01, 0, -0.01)).map(([count, step]) =>
    command<Model, Real>(`set ${count}, each ${step} later`, (model, real) => {
      for (let i = 0; i < count; i++) add(model, real, 10 + i * step)
    }),
  ),
  fc.nat().map((which) =>
    command<Model, Real>(
      `clear(${which})`,
      (model, real) => {
        // One that has been cleared or taken already is no error.
        const entry = model.all[which % model.all.length] as Entry
        real.clear(entry.deadline)
        model.entries = model.entries.filter((other) => other !== entry)
      },
      ({ all }) => all.length > 0,
    ),
  ),
  // Neighbours, so that whole blocks of the line become empty.
  fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 100, max: 1_500 })).map(([from, count]) =>
    command<Model, Real>(`clear ${count} from ${from} on`, (model, real) => {
      const line = sorted(model.entries)
      const first = Math.floor(from * line.length)
      const leaving = new Set(line.slice(first, first + count))
      for (const { deadline } of leaving) real.clear(deadline)
      model.entries = model.entries.filter((entry) => !leaving.has(entry))
    }),
  ),
  fc.double({ min: -1, max: 21, noNaN: true }).map((now) =>
    command<Model, Real>(`takeDue(${now})`, (model, real) => {
      const [first] = sorted(model.entries)
      const isDue = first !== undefined && first.dueAt <= now
      expect(real.takeDue(now)).toBe(isDue ? first.n : undefined)
      if (isDue) model.entries = model.entries.filter((other) => other !== first)
    }),
  ),
  fc.double({ min: -1, max: 21, noNaN: true }).map((now) =>
    command<Model, Real>(`takeDue(${now}), all`, (model, real) => {
      const due = sorted(model.entries).filter((entry) => entry.dueAt <= now)
      const taken: number[] = []
      for (let n = real.takeDue(now); n !== undefined; n = real.takeDue(now)) taken.push(n)
      expect(taken).toEqual(due.map(({ n }) => n))
      model.entries = model.entries.filter((entry) => !(entry.dueAt <= now))
    }),
  ),
]

agrees('deadlines fall due in the order of their times, then of their setting; what is cleared never does', {
  setting: fc.constant(undefined),
  make: () => ({ model: { entries: [], all: [] } as Model, real: new Deadlines<number>() }),
  commands,
  agree: (model, real) => {
    const inOrder = sorted(model.entries)
    expect(real.size).toBe(inOrder.length)
    expect(real.nextDueAt).toBe(inOrder[0]?.dueAt ?? Number.POSITIVE_INFINITY)
    expect([...real.targets()]).toEqual(inOrder.map(({ n }) => n))
  },
  runs: 150,
  maxCommands: 30,
})
