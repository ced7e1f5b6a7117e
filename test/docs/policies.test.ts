/** The pictures of `docs/policies.md` are what the sources do today, and the page shows all of them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
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
