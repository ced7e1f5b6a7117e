/** `docs/threads.md` has the table of what holds in each shard, and names every option. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { withHolds } from '../../tools/draw-holds.ts'

const page = readFileSync(new URL('../../docs/threads.md', import.meta.url), 'utf8')

test('its table is that of the code: `node tools/draw-holds.ts`', () => {
  expect(page).toBe(withHolds(page))
})

test('it names each option', () => {
  for (const file of ['options.ts', 'make-shards.ts']) {
    const source = readFileSync(new URL(`../../src/threads/${file}`, import.meta.url), 'utf8')
    const options = [...source.matchAll(/^ {2}(\w+)\?: /gm)].map(([, name]) => name as string)
    expect(options.length).toBeGreaterThan(3)
    for (const name of options) expect(page).toMatch(new RegExp(`\\b${name}\\b`))
  }
})
