/** The table of what a back end can't promise is that of the suite. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { withTable } from '../../tools/draw-back-ends.ts'

test('docs/back-ends.md has the table of the suite', () => {
  const page = readFileSync(new URL('../../docs/back-ends.md', import.meta.url), 'utf8')
  expect(page).toBe(withTable(page))
})
