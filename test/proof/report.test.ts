/**
 * RELIABILITY.md is what the runs say, and every test that it names is there.
 */
import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { reliability } from './report.ts'

const root = new URL('../../', import.meta.url)

test('RELIABILITY.md is what `node test/proof/report.ts` writes', () => {
  expect(readFileSync(new URL('RELIABILITY.md', root), 'utf8')).toBe(reliability())
})

test('all that it links to is there', () => {
  const links = [...reliability().matchAll(/\]\(([^)]+)\)/g)].map(([, path = '']) => path)
  expect(links.length).toBeGreaterThan(15)
  expect(links.filter((path) => !existsSync(new URL(path, root)))).toEqual([])
})

test('it has all twelve laws, each with its promise', () => {
  const rows = [...reliability().matchAll(/^\| (\d+) \| (.{30,}?) \| \[/gm)].map(([, number]) => Number(number))
  expect(rows).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
})
