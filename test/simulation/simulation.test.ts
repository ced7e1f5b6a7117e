/**
 * Deterministic simulation, first half; and what shows that it could fail at all.
 */
import { expect, test } from 'vitest'
import { Coverage } from './support/coverage.ts'
import { generate } from './support/generate.ts'
import { Model } from './support/model.ts'
import { play } from './support/run.ts'
import type { Command, Schedule } from './support/schedule.ts'
import { shrink } from './support/shrink.ts'
import { provesItself } from './support/suite.ts'
import { World } from './support/world.ts'

provesItself(1, 10_000)

test('the same seed is the same schedule, and the same trace', async () => {
  for (const seed of [7, 8, 9]) {
    expect(generate(seed)).toEqual(generate(seed))
    const traces: string[][] = [[], []]
    for (const trace of traces) await play(generate(seed), trace)
    expect(traces[0]).toEqual(traces[1])
  }
})

/** Three who wait for one slot, and time for all of them. */
const commands: readonly Command[] = [2, 3, 0].map((tier) => ({
  ...({ do: 'arrive', via: 'submit', tier, key: 0, passMs: 1 } as const),
  work: { kind: 'sleeps', ms: 10, times: 1 },
}))
const schedule: Schedule = {
  seed: 0,
  options: { concurrency: 1, maxQueueSize: 5 },
  policies: { guards: [] },
  reactions: [],
  commands: [...commands, { do: 'idle', passMs: 100 }],
}

/** Plays it with a world that was tampered with. */
async function playWith(tamper: (world: World) => void): Promise<string> {
  const world = new World(schedule, new Coverage())
  tamper(world)
  return world.play()
}

test('an executor that does something else than the model says is found out, and so is one that breaks a law', async () => {
  expect(await playWith(() => {})).toBe('')
  const model = ({ model: it }: World): Model => it as Model
  // The model is told a lie, so that the executor is wrong by it.
  expect(await playWith((world) => Object.assign(model(world).rules, { rank: () => 0, across: true }))).toMatch(
    /the model says/,
  )
  expect(await playWith((world) => Object.assign(model(world), { limit: 2 }))).toMatch(
    /nobody is called, the model says/,
  )
  expect(await playWith((world) => Object.assign(model(world).rules, { total: 1 }))).toMatch(/the model says/)
  expect(await playWith((world) => Object.assign(model(world).rules, { waitMs: [5, 5, 5, 5] }))).toMatch(
    /the model says/,
  )
  // The laws alone, without the model.
  const lawless = (tamper: (world: World) => void): Promise<string> =>
    playWith((world) => {
      world.model = undefined
      tamper(world)
    })
  expect(await lawless(() => {})).toBe('')
  expect(await lawless((world) => world.hand('a promise', new Promise(() => {})))).toMatch(
    /law 12: .* a promise is still open/,
  )
  expect(await lawless((world) => world.laws.reported.push('an error that nobody threw'))).toMatch(/law 10/)
})

test('a schedule that fails is shrunk to what makes it fail', async () => {
  const { start } = Model.prototype
  // A model that forgets a call as soon as a request of low priority is called.
  Model.prototype.start = function (this: Model, job) {
    start.call(this, job)
    if (job.tier === 3) this.limit++
  }
  try {
    const found = await shrink(schedule)
    expect(found.violation).toMatch(/the model says/)
    expect(found.schedule.commands.length).toBeLessThanOrEqual(2)
    expect(found.trace.at(-1)).toMatch(/VIOLATION|call/)
  } finally {
    Model.prototype.start = start
  }
})
