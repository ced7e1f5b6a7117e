/**
 * The seeded bugs fit the sources, and a few of them are found. `npm run mutants` hunts all.
 */
import { existsSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { kinds, type Mutant } from './mutant.ts'
import { mutants } from './mutants.ts'
import { root } from './support/child.ts'
import { simulate } from './support/simulate.ts'

const LIMIT_MS = 120_000

test('each bug fits exactly one place in its source, and is TypeScript that Node can run', () => {
  for (const { name, file, find, replace } of mutants) {
    const source = readFileSync(join(root, file), 'utf8')
    expect(source.split(find).length - 1, `places for "${name}"`).toBe(1)
    const patched = source.replace(find, () => replace)
    expect(patched, name).not.toBe(source)
    expect(() => stripTypeScriptTypes(patched), name).not.toThrow()
  }
})

test('there are at least 40 bugs, each with a name of its own, and some of each kind', () => {
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length)
  expect(mutants.length).toBeGreaterThanOrEqual(40)
  expect(kinds.filter((each) => !mutants.some(({ kind }) => kind === each))).toEqual([])
})

test('the result that is kept is of these bugs, and none of them has survived', () => {
  const file = join(root, 'test/mutants/results.json')
  expect(existsSync(file)).toBe(true)
  const { mutants: found } = JSON.parse(readFileSync(file, 'utf8'))
  expect(found.map(({ name }: { name: string }) => name)).toEqual(mutants.map(({ name }) => name))
  expect(found.filter(({ foundBy }: { foundBy: string }) => foundBy === 'nothing')).toEqual([])
})

/** How many schedules a part of the hunt takes, and the bugs that are in it, from all stations. */
const SCHEDULES = 100
const some = [
  'one more waits than `maxQueueSize` allows',
  'last in, first out within a priority',
  'a slot is freed when its run times out',
  'a paused executor goes on as its slots are handed over',
  'the id of one that has ended is not released',
  'one who is back for another attempt keeps a newcomer out',
]

test(
  'a hundred schedules find bugs of several kinds, and nothing where there is none',
  async () => {
    const chosen = some.map((name) => mutants.find((mutant) => mutant.name === name))
    const found = async (mutant: Mutant | undefined): Promise<string> => {
      const { failed, ends } = await simulate(mutant, SCHEDULES, LIMIT_MS)
      return `${mutant?.name ?? 'no bug'}: ${ends === 'well' && failed.length === 0 ? 'not found' : 'found'}`
    }
    expect(chosen).not.toContain(undefined)
    const results: string[] = []
    // One after another: the other tests want processors, too.
    for (const mutant of [undefined, ...chosen]) results.push(await found(mutant))
    expect(results).toEqual(['no bug: not found', ...some.map((name) => `${name}: found`)])
  },
  LIMIT_MS * 2,
)
