/** `docs/policies.md`: its pictures are what the sources do today, and each option of each policy is in it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  adaptive,
  aimd,
  backoff,
  batched,
  circuitBreaker,
  codel,
  fairBy,
  gradient2,
  meetsDeadline,
  shedByPriority,
  tokenBucket,
  vegas,
} from 'triage-queue'
import { pressure } from 'triage-queue/pressure'
import { expect, test } from 'vitest'
import { pictures } from '../../tools/draw-policies/pictures.ts'

const docs = fileURLToPath(new URL('../../docs', import.meta.url))
const page = readFileSync(join(docs, 'policies.md'), 'utf8')

test.each(Object.entries(pictures))('%s is what `node tools/draw-policies.ts` draws', async (file, draw) => {
  // Not compared as texts: the difference of two pictures is thousands of numbers.
  const isTheSame = (await draw()) === readFileSync(join(docs, 'policies', file), 'utf8')
  expect(isTheSame, 'it has changed: draw it anew, and see whether its finding still holds').toBe(true)
})

test('the page shows each picture once, and there are no others', () => {
  const shown = [...page.matchAll(/!\[[^\]]+\]\(policies\/([^)]+)\)/g)].map(([, file]) => file)
  expect(shown.sort()).toEqual(Object.keys(pictures).sort())
  expect(readdirSync(join(docs, 'policies')).sort()).toEqual(shown)
})

test('each link of the page to another file leads somewhere', () => {
  const links = [...page.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, path]) => path as string)
  expect(links.filter((path) => !existsSync(join(docs, path)))).toEqual([])
})

const key = () => ''
const policies: { readonly [name: string]: (options: never) => unknown } = {
  'tokenBucket()': tokenBucket,
  'codel()': codel,
  'meetsDeadline()': meetsDeadline,
  'shedByPriority()': shedByPriority,
  'pressure()': pressure,
  'circuitBreaker()': circuitBreaker,
  'fairBy()': (options) => fairBy(key, options),
  'adaptive()': adaptive,
  'vegas()': vegas,
  'gradient2()': gradient2,
  'aimd()': aimd,
  'backoff()': backoff,
  'batched()': (options) => batched(key as never, options),
}

/** The names that `policy` takes: it says so itself, of one that it does not know. */
function optionsOf(policy: (options: never) => unknown): string[] {
  try {
    policy({ unheardOf: 1 } as never)
  } catch (error) {
    const [, names] = /expected one of (.+)$/.exec((error as Error).message) ?? []
    return (names as string).split(', ')
  }
  throw new Error('it takes anything')
}

test.each(Object.entries(policies))('each option of %s is in a table, with its default', (name, policy) => {
  const options = optionsOf(policy)
  expect(options.length).toBeGreaterThan(0)
  const tables = [...page.matchAll(/^\|[^\n]*\n\|---.*?\n(?!\|)/gms)].map(([table]) => table)
  const own = tables.filter(
    (table) => /^[^\n]*(option|argument)/.test(table) && table.split('\n', 1)[0]?.includes(name),
  )
  expect(own).toHaveLength(1)
  const [head, , ...rows] = (own[0] as string).split('\n').map((row) => row.split('|').slice(1, -1))
  const column = Math.max(head?.findIndex((cell) => cell.includes(name)) ?? 0, 1)
  const told = rows.flatMap(([names = '', ...cells]) =>
    cells[column - 1]?.trim() ? [...names.matchAll(/`(\w+)`/g)].map(([, option]) => option) : [],
  )
  expect(told).toEqual(expect.arrayContaining(options))
})
